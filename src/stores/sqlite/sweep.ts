/**
 * Removes expired sessions in batches that live traffic does not feel.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { SweptSession } from '../store.ts'
import type { LockQueue } from './lock-queue.ts'
import { fromText } from './rows.ts'
import type { SqliteStatements } from './statements.ts'

/** How long a process that died while it swept keeps the others from sweeping, in milliseconds. */
const LEASE_LIFETIME = 30_000

/** Sessions per statement: some 2 ms, during which nobody else writes and this process does nothing else. */
const BATCH = 100

/** Creates the `sweep` of a store. A lease in the database lets one process sweep at a time. */
export function createSweeper(
  sql: SqliteStatements,
  queue: LockQueue,
  now: () => number,
): (limit: number) => Promise<readonly SweptSession[]> {
  const holder = randomUUID()
  let sweeping = false
  let leasedUntil = 0

  /** Takes the lease, or prolongs it once half of it is over. */
  async function holdLease(): Promise<boolean> {
    if (leasedUntil - now() > LEASE_LIFETIME / 2) return true
    const until = now() + LEASE_LIFETIME
    const { changes } = await queue.write(() => sql.lease.run(holder, until, holder, now()))
    if (Number(changes) === 0) return false
    leasedUntil = until
    return true
  }

  /** Sweeps into `swept`, so that what was removed is reported even when a later batch fails. */
  async function sweepInto(swept: SweptSession[], limit: number): Promise<void> {
    while (swept.length < limit && (await holdLease())) {
      const size = Math.min(BATCH, limit - swept.length)
      const start = performance.now()
      const rows = await queue.write(() => sql.sweep.all(now(), size) as readonly SweptRow[])
      swept.push(...rows.toSorted((a, b) => Number(a.expires_at) - Number(b.expires_at)).map(toSwept))
      if (rows.length < size) return
      // As long as the batch took, so that others have the file at least half of the time.
      if (swept.length < limit) await pause(performance.now() - start)
    }
  }

  return async (limit) => {
    if (sweeping || !(await queue.read(() => sql.anyExpired.get(now())))) return []
    sweeping = true
    const swept: SweptSession[] = []
    try {
      await sweepInto(swept, limit)
    } catch (error) {
      if (swept.length === 0) throw error
    } finally {
      sweeping = false
      leasedUntil = 0
      // A lease that cannot be given back ends by itself.
      await queue.write(() => sql.release.run(holder)).catch(() => undefined)
    }
    return swept
  }
}

interface SweptRow {
  readonly key: string
  readonly principal: string | null
  readonly expires_at: number | bigint
}

function toSwept({ key, principal }: SweptRow): SweptSession {
  return { key: fromText(key), principal: principal === null ? undefined : fromText(principal) }
}
