/**
 * Removes expired sessions from stores that do not do it by themselves, a slice at a time.
 *
 * @module
 */

import { setImmediate as nextTurn } from 'node:timers/promises'
import type { SessionStore } from '../stores/store.ts'
import type { EventHub } from './events.ts'
import { POINTER_PRINCIPAL } from './record.ts'

/** A slice of so many is worked off in well below a millisecond (bench/memory.ts). */
const SLICE = 256

/** Sweeps by timer and on demand. */
export interface Sweeper {
  /** Sweeps until nothing is left; resolves to how many sessions were removed. */
  sweep(): Promise<number>
  stop(): void
}

/**
 * Starts sweeping. The timer does not keep the process alive.
 *
 * @param sweepSlice The store's `sweep`; without one there is nothing to do.
 * @param interval In milliseconds; timers cannot wait longer than 2³¹ − 1 of them.
 */
export function startSweeper(sweepSlice: SessionStore['sweep'], events: EventHub, interval: number): Sweeper {
  if (!sweepSlice) return { sweep: async () => 0, stop: () => undefined }
  let running: Promise<number> | undefined

  async function sweepAll(slice: NonNullable<SessionStore['sweep']>): Promise<number> {
    let total = 0
    for (;;) {
      const swept = await slice(SLICE)
      for (const { key, principal } of swept) {
        if (principal !== POINTER_PRINCIPAL) events.emit('expired', { handle: key, principal })
      }
      total += swept.length
      if (swept.length < SLICE) return total
      await nextTurn()
    }
  }

  function sweep(): Promise<number> {
    running ??= sweepAll(sweepSlice as NonNullable<SessionStore['sweep']>).finally(
      () => (running = undefined),
    )
    return running
  }

  // A store that is away is swept at the next round.
  const timer = setInterval(
    () => void sweep().catch(() => undefined),
    Math.min(interval, 2 ** 31 - 1),
  ).unref()
  return { sweep, stop: () => clearInterval(timer) }
}
