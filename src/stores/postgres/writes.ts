/**
 * Writes, several in one round trip.
 *
 * Together goes what is sure to be written: sessions that still have their version and that nobody has locked. Every other
 * one is then written by itself, which waits where it must and tells a conflict from a session that is gone. So a batch
 * waits for nobody: it takes part in no deadlock, and one session that is locked does not hold the others up.
 *
 * @module
 */

import type { PostgresParameter } from '../postgres.ts'
import { toText } from '../plain-text.ts'
import type { SessionRecord, WriteResult } from '../store.ts'
import { createWriteBatch } from '../write-batch.ts'
import { isRefusal } from './errors.ts'
import { recordParameters } from './rows.ts'
import type { RunStatement } from './run.ts'
import { type PostgresStatements, SEPARATOR } from './statements.ts'

/** Characters of a record from which a statement of its own is a small part of what it costs. */
const BULKY = 16_384

/** Parameters of one write: key, data, principal, created_at, last_seen_at, expires_at, version. */
type Put = readonly PostgresParameter[]

/** Creates the `write` of a store. */
export function createWrites(
  run: RunStatement,
  sql: PostgresStatements,
): (key: string, version: number, record: SessionRecord) => Promise<WriteResult> {
  /** Resolves to the new version; `undefined` when the session must be written by itself. */
  const sendWithOthers = createWriteBatch<Put, number | undefined>(writeTogether)

  async function writeTogether(puts: readonly Put[]): Promise<readonly (number | undefined)[]> {
    // An update takes one of several rows for a key and drops the others silently; they wait for their turn.
    const firsts = new Map(puts.toReversed().map((put) => [put[0], put]))
    if (firsts.size < 2) return []
    try {
      const rows = await run(sql.writeMany, toColumns([...firsts.values()]))
      const versions = new Map(rows.map(([key, version]) => [key, Number(version)]))
      return puts.map((put) => (firsts.get(put[0]) === put ? versions.get(put[0]) : undefined))
    } catch (error) {
      // Nothing was written. Only who is to blame shall be refused.
      if (isRefusal(error)) return []
      throw error
    }
  }

  async function writeAlone(put: Put): Promise<WriteResult> {
    const [row] = await run(sql.write, put)
    if (row === undefined) return { outcome: 'gone' }
    const written = Number(row[0])
    return written === 0 ? { outcome: 'conflict' } : { outcome: 'written', version: written }
  }

  return async (key, version, record) => {
    const put = [toText(key), ...recordParameters(record), version]
    const written = fitsWithOthers(put) ? await sendWithOthers(put) : undefined
    return written === undefined ? writeAlone(put) : { outcome: 'written', version: written }
  }
}

/** Whether a write can be a part of joined columns, see {@link PostgresStatements.writeMany}. */
function fitsWithOthers([key, data, principal]: Put): boolean {
  const texts = [key, data, principal ?? ''] as readonly string[]
  return principal !== '' && texts.every((text) => text.length < BULKY && !text.includes(SEPARATOR))
}

/** Turns rows into columns: a text each, whatever the number of rows, so that it is one prepared statement. */
function toColumns(puts: readonly Put[]): readonly string[] {
  const join = (column: number, separator: string) => puts.map((put) => put[column]).join(separator)
  const numbers = [3, 4, 5, 6].map((column) => `{${join(column, ',')}}`)
  return [join(0, SEPARATOR), join(1, SEPARATOR), join(2, SEPARATOR), ...numbers]
}
