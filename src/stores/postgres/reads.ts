/**
 * Reads, several in one round trip.
 *
 * @module
 */

import type { PostgresRow } from '../postgres.ts'
import { createReadBatch } from '../read-batch.ts'
import type { StoredSession } from '../store.ts'
import { decodeSession } from './rows.ts'
import type { RunStatement } from './run.ts'
import type { PostgresStatements } from './statements.ts'
import { fromText, toText } from '../plain-text.ts'

/** Creates the `read` of a store. */
export function createReads(
  run: RunStatement,
  sql: PostgresStatements,
): (key: string) => Promise<StoredSession | undefined> {
  function fetchRows(keys: readonly string[]): Promise<readonly PostgresRow[]> {
    const [first, second] = keys
    // Its plan is a look into the index; that of several may become a bitmap.
    if (first !== undefined && second === undefined) return run(sql.read, [toText(first)])
    return run(sql.readMany, [toArrayLiteral(keys.map(toText))])
  }

  return createReadBatch(async (keys) => {
    const rows = await fetchRows(keys)
    const found = new Map(rows.map((row) => [fromText(String(row[0])), row]))
    return (key) => {
      const row = found.get(key)
      return row && decodeSession(row)
    }
  })
}

/** Writes texts as a literal of `text[]`: neither client then has to know the type. */
function toArrayLiteral(texts: readonly string[]): string {
  return `{${texts.map((text) => `"${/["\\]/.test(text) ? text.replace(/["\\]/g, '\\$&') : text}"`).join(',')}}`
}
