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
  /** Compares clocks when that is due; the promise is there the first time only, as later ones need no waiting. */
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
  let syncedAt = Number.NEGATIVE_INFINITY
  let first: Promise<void> | undefined

  async function compare(): Promise<void> {
    const askedAt = now()
    try {
      const theirs = (await ask?.()) ?? askedAt
      const answeredAt = now()
      const measured = theirs - (askedAt + answeredAt) / 2
      // Within the time the question took, the clocks cannot be told apart.
      offset = Math.abs(measured) <= answeredAt - askedAt + 1 ? 0 : measured
    } catch {
      // The read that follows meets the same trouble and tells it.
      syncedAt = Number.NEGATIVE_INFINITY
    }
  }

  return {
    now: () => Math.round(now() + offset),
    sync() {
      if (!ask || Math.abs(now() - syncedAt) < SYNC_INTERVAL) return undefined
      const known = syncedAt !== Number.NEGATIVE_INFINITY
      syncedAt = now()
      if (known) {
        void compare()
        return undefined
      }
      first = compare()
      return first
    },
  }
}
