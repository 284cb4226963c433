/**
 * Removes expired sessions in batches that live traffic does not feel.
 *
 * @module
 */

import { randomUUID } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import type { SweptSession } from '../store.ts'
import type { LockQueue } from './lock-queue.ts'
import { fromText } from '../plain-text.ts'
import type { SqliteStatements } from './statements.ts'

/** How long a process that died while it swept keeps the others from sweeping, in milliseconds. */
const LEASE_LIFETIME = 30_000

/** How long a batch should take, in milliseconds: meanwhile nobody else writes, and this process does nothing else. */
const BATCH_TIME = 2

/** Fewest and most sessions in a batch. Their rows are scattered over the file, so a slow disk shows soon. */
const BATCH_SIZES = [10, 200] as const

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
    let batch: number = BATCH_SIZES[0]
    while (swept.length < limit && (await holdLease())) {
      const size = Math.min(batch, limit - swept.length)
      const { rows, took } = await queue.write(() => sweepBatch(size))
      swept.push(...rows.map(toSwept))
      if (rows.length < size) return
      batch = fitBatch(batch, took)
      // As long as the batch took, so that others have the file at least half of the time.
      if (swept.length < limit) await pause(took)
    }
  }

  function sweepBatch(size: number): { readonly rows: readonly SweptRow[]; readonly took: number } {
    const start = performance.now()
    const rows = sql.sweep.all(now(), size) as SweptRow[]
    // RETURNING keeps no order.
    rows.sort((a, b) => Number(a.expires_at) - Number(b.expires_at))
    return { rows, took: performance.now() - start }
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

/** Size of the next batch, by how long the last one took. */
function fitBatch(size: number, took: number): number {
  const [fewest, most] = BATCH_SIZES
  if (took > 2 * BATCH_TIME) return Math.max(fewest, Math.floor(size / 2))
  if (took < BATCH_TIME / 2) return Math.min(most, size * 2)
  return size
}

interface SweptRow {
  readonly key: string
  readonly principal: string | null
  readonly expires_at: number | bigint
}

function toSwept({ key, principal }: SweptRow): SweptSession {
  return { key: fromText(key), principal: principal === null ? undefined : fromText(principal) }
}
