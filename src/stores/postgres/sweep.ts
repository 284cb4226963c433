/**
 * Removes expired sessions in batches that live traffic does not feel.
 *
 * @module
 */

import type { PostgresRow } from '../postgres.ts'
import type { SweptSession } from '../store.ts'
import type { PostgresNames } from './names.ts'
import type { RunStatement } from './run.ts'
import { fromText } from '../plain-text.ts'

/** Most rows that one statement looks at: some 10 ms of the server's time, during which it holds locks on them. */
const BATCH = 1_000

/** How long one call goes on, in milliseconds: well below the deadline that the engine gives it. */
const PATIENCE = 200

/**
 * Creates the `sweep` of a store. A lock in the database lets one server sweep at a time.
 *
 * Rows locked by a writer are left for the next round. Sessions that were used since they were filed are filed anew,
 * about once in an idle timeout each.
 */
export function createSweeper(
  run: RunStatement,
  statement: string,
  { table }: PostgresNames,
): (limit: number) => Promise<readonly SweptSession[]> {
  const lock = `coatcheck sweep ${table}`

  /** Sweeps into `swept`, so that what was removed is reported even when a later batch fails. */
  async function sweepInto(swept: PostgresRow[], limit: number): Promise<void> {
    const end = performance.now() + PATIENCE
    let size = Math.min(limit, BATCH)
    while (swept.length < limit && performance.now() < end) {
      const wanted = limit - swept.length
      const [head, ...removed] = await run(statement, [lock, size, wanted])
      swept.push(...removed)
      if (head === undefined || Number(head[0]) < size) return
      // Where most were used since, as after a quiet night, there are many more to look at than to remove.
      size = removed.length < size / 2 ? BATCH : Math.min(limit - swept.length, BATCH)
    }
  }

  return async (limit) => {
    const swept: PostgresRow[] = []
    try {
      await sweepInto(swept, limit)
    } catch (error) {
      if (swept.length === 0) throw error
    }
    return swept.sort((a, b) => Number(a[2]) - Number(b[2])).map(toSwept)
  }
}

function toSwept([key, principal]: PostgresRow): SweptSession {
  return {
    key: fromText(key as string),
    principal: principal === null ? undefined : fromText(principal as string),
  }
}
