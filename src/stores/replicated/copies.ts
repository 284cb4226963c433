/**
 * Reads from the copy, and what a version in a cookie is worth.
 *
 * @module
 */

import type { SessionCopies, StoredSession } from '../store.ts'
import type { Follower } from './follower.ts'
import { claimOf, isAuthentic, writeStamp } from './stamps.ts'

/** Local reads. */
export interface LocalReads {
  readonly store: SessionCopies
  /** Reads answered from the copy. */
  readonly reads: number
}

/** Options of {@link createCopies}. */
export interface CopiesOptions {
  /** Age of the newest proof up to which a copy is better than nothing, in milliseconds. */
  readonly allowStaleFor: number
  /** Reads past the copy. */
  readonly fresh: SessionCopies['fresh']
}

/** Creates the reads from a follower's copy. */
export function createCopies(follower: Follower, { allowStaleFor, fresh }: CopiesOptions): LocalReads {
  let reads = 0

  function find(key: string, now: number): StoredSession | undefined {
    const { copy } = follower
    if (!copy?.full) return undefined
    const session = copy.read(key)
    return session && session.expiresAt > now ? session : undefined
  }

  return {
    get reads() {
      return reads
    },
    store: {
      peek(key, now, atLeast) {
        if (!follower.lease.isLive() || (atLeast > 0 && (follower.copy?.revisionOf(key) ?? 0) < atLeast))
          return undefined
        const session = find(key, now)
        if (session) reads += 1
        return session
      },
      stale(key, now) {
        return follower.lease.age() <= allowStaleFor ? find(key, now) : undefined
      },
      fresh,
      stamp: (key, version) => writeStamp(follower.copy?.secret?.meta, key, version),
      floor(key, stamp) {
        const claimed = claimOf(stamp)
        // A claim that the copy meets anyway changes nothing, and to check it would cost more than the read.
        if (claimed <= (follower.copy?.revisionOf(key) ?? 0)) return claimed
        return isAuthentic(follower.copy?.secret?.meta, key, stamp) ? claimed : 0
      },
    },
  }
}
