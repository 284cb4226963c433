/**
 * The clock of the back end, kept by this process.
 *
 * Tokens are compared with the instant of a revocation, so a server whose clock is ahead would issue some that outlive
 * it. With this clock all servers agree.
 *
 * @module
 */

/** A clock that agrees with the back end's. */
export interface LogClock {
  /** Current time by the back end, in milliseconds since the Unix epoch. By this process until {@link sync} was done. */
  now(): number
  /** Compares the clocks. A failure leaves the offset as it was. */
  sync(): Promise<void>
}

/** Creates a clock. */
export function createLogClock(ask: () => Promise<number>, local: () => number): LogClock {
  let offset = 0

  return {
    now: () => Math.round(local() + offset),
    async sync() {
      const askedAt = local()
      const theirs = await ask()
      const answeredAt = local()
      const measured = theirs - (askedAt + answeredAt) / 2
      // Within the time that the question took, the clocks cannot be told apart.
      offset = Math.abs(measured) <= answeredAt - askedAt + 1 ? 0 : measured
    },
  }
}
