/**
 * The store's clock, kept by this process.
 *
 * A server whose clock is wrong by minutes would otherwise shorten or stretch the sessions it touches.
 *
 * @module
 */

/** A clock that agrees with the store's. */
export interface StoreClock {
  /** Current time by the store, in milliseconds since the Unix epoch. */
  now(): number
  /** Compares clocks when that is due. There is something to wait for until it was done once. */
  sync(): Promise<void> | undefined
}

const SYNC_INTERVAL = 30_000

/**
 * Creates a clock.
 *
 * @param ask The store's `now`; without one the local clock counts.
 * @param now Local clock, in milliseconds since the Unix epoch.
 */
export function createStoreClock(ask: (() => Promise<number>) | undefined, now: () => number): StoreClock {
  let offset = 0
  let syncedAt: number | undefined
  let first: Promise<void> | undefined

  async function compare(): Promise<void> {
    const askedAt = now()
    try {
      const theirs = (await ask?.()) ?? askedAt
      const answeredAt = now()
      const measured = theirs - (askedAt + answeredAt) / 2
      // Within the time the question took, the clocks cannot be told apart.
      offset = Math.abs(measured) <= answeredAt - askedAt + 1 ? 0 : measured
      syncedAt = answeredAt
    } catch {
      // Whoever asked meets the same trouble with what comes next, and tells it.
    }
  }

  return {
    now: () => Math.round(now() + offset),
    sync() {
      if (!ask) return undefined
      if (syncedAt === undefined) return (first ??= compare().finally(() => (first = undefined)))
      if (Math.abs(now() - syncedAt) >= SYNC_INTERVAL) {
        syncedAt = now()
        void compare()
      }
      return undefined
    },
  }
}
