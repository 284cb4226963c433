/**
 * Proof that what a channel pushes still arrives: a nonce is sent through the back end and comes back by the channel.
 *
 * A copy that is kept true by pushed changes is wrong from the moment the pushes stop, and nothing tells a silent
 * channel from a quiet one. So each process writes a nonce of its own and waits to see it where the changes come from.
 * When one comes back, everything acknowledged before it was *sent* has arrived too.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'

/** Options of {@link createLease}. */
export interface LeaseOptions {
  /**
   * Age of the newest proof from which on nothing is served without asking the back end, in milliseconds.
   *
   * @default 2_000
   */
  readonly bound?: number
  /**
   * How often a nonce is sent, in milliseconds.
   *
   * @default a fifth of the bound
   */
  readonly interval?: number
  /** Called once each time the newest proof has grown older than the bound, or the lease was broken. */
  readonly onLapse?: () => void
  /** Called each time a proof makes a lapsed lease good again. */
  readonly onRenew?: () => void
  /**
   * Monotonic clock, in milliseconds.
   *
   * @default performance.now
   */
  readonly monotonic?: () => number
  /**
   * Wall clock, in milliseconds. A monotonic clock stands still while a virtual machine or a laptop sleeps.
   *
   * @default Date.now
   */
  readonly wall?: () => number
}

/** A claim to be fresh, which ends by itself. */
export interface Lease {
  /** Whether the newest proof is within the bound at this moment. To be asked each time a copy is used. */
  isLive(): boolean
  /** Age of the newest proof in milliseconds; `Infinity` when there is none. */
  age(): number
  /** Takes in a nonce that came back through the channel. Those of other processes are ignored. */
  confirm(nonce: string): void
  /** Ends the claim at once, as the channel broke. Nonces under way prove nothing any more. */
  break(): void
  /** Sends a nonce now instead of at the next interval. */
  probe(): void
  /** Ends the timer and the claim. */
  stop(): void
}

interface Instant {
  readonly monotonic: number
  readonly wall: number
}

/** A nonce that has not come back within so many bounds never will. */
const FORGOTTEN_AFTER = 10

/**
 * Starts a lease. It sends its first nonce at once; its timer does not keep the process alive.
 *
 * @param send Writes a nonce through the back end, so that it comes back by the channel of the changes. A rejection
 * is one proof that does not come.
 */
export function createLease(send: (nonce: string) => Promise<void>, options: LeaseOptions = {}): Lease {
  const { bound = 2_000, onLapse, onRenew, monotonic = () => performance.now(), wall = Date.now } = options
  const { interval = bound / 5 } = options
  const owner = randomBytes(9).toString('base64url')
  const sent = new Map<string, Instant>()
  let count = 0
  let proof: Instant | undefined
  let live = false

  const now = (): Instant => ({ monotonic: monotonic(), wall: wall() })

  function since(instant: Instant): number {
    return Math.max(monotonic() - instant.monotonic, wall() - instant.wall)
  }

  function age(): number {
    return proof ? since(proof) : Number.POSITIVE_INFINITY
  }

  function watch(): void {
    const wasLive = live
    live = age() <= bound
    if (wasLive && !live) onLapse?.()
    else if (!wasLive && live) onRenew?.()
  }

  function probe(): void {
    watch()
    for (const [nonce, instant] of sent) {
      if (since(instant) <= bound * FORGOTTEN_AFTER) break
      sent.delete(nonce)
    }
    const nonce = `${owner}.${(count += 1)}`
    sent.set(nonce, now())
    // A nonce that could not be sent may still have been; it is forgotten in time.
    send(nonce).catch(() => undefined)
  }

  const timer = setInterval(probe, interval).unref()
  probe()

  return {
    isLive: () => age() <= bound,
    age,
    confirm(nonce) {
      const sentAt = sent.get(nonce)
      if (!sentAt) return
      sent.delete(nonce)
      // Channels keep their order; a proof that overtook an older one covers it.
      if (!proof || sentAt.monotonic > proof.monotonic) proof = sentAt
      watch()
    },
    break() {
      sent.clear()
      proof = undefined
      watch()
    },
    probe,
    stop() {
      clearInterval(timer)
      sent.clear()
      proof = undefined
      live = false
    },
  }
}
