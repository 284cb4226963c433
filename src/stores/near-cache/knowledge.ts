/**
 * What this process knows of the sessions, and what of it may be served.
 *
 * @module
 */

import type { InvalidationFeed } from '../invalidations.ts'
import type { NearCacheStats } from '../near-cache.ts'
import type { SessionCopies, StoredSession } from '../store.ts'
import { createCalls, type Watch } from './calls.ts'
import { type Channel, createChannel, type ChannelOptions } from './channel.ts'
import { createGraves } from './graves.ts'
import { type Copy, createShelf, type Instant, UNPROVEN } from './shelf.ts'

/** A call to the store for one key, as of its beginning. */
export interface Call {
  readonly key: string
  readonly watch: Watch
  /** Era in which what the channel tells is sure to correct the answer; {@link UNPROVEN} for none. */
  readonly era: number
  readonly asOf: Instant
}

/** Copies and tombstones, and the rules by which answers become copies. */
export interface Knowledge extends Pick<SessionCopies, 'peek' | 'stale'> {
  /** Notes that a call to the store begins. */
  begin(key: string): Call
  /** Notes that it has ended, and tells whether nothing was told of the key meanwhile. */
  end(call: Call): boolean
  /** Keeps an answer of the store that nothing has overtaken, unless something newer is known. */
  keep(call: Call, session: StoredSession): void
  /** Counts an answer that is not kept. */
  dismiss(): void
  /** The read under way that others may share. */
  flight(key: string): Promise<StoredSession | undefined> | undefined
  /** Moves the instants of a copy forward, as a touch does. */
  move(key: string, lastSeenAt: number, expiresAt: number): void
  /** Sees to it that calls under way leave no copies. */
  distrustCalls(key: string): void
  /** Forgets what is known of a key, and what calls under way may say about it. */
  discard(key: string): void
  /** Forgets what is known of a user's sessions, and what calls under way may say about any. */
  discardUser(principal: string, except: string | undefined): void
  /** First instant at which a session is gone by what is known of it. */
  expiryOf(key: string): number | undefined
  /** Sees to it that a session that ended here is not met again. */
  bury(key: string, until: number | undefined): void
  isBuried(key: string): boolean
  /** Forgets a tombstone, as a session was created under the key anew. */
  exhume(key: string): void
  stats(): NearCacheStats
  close(): Promise<void>
}

/** Options of {@link createKnowledge}. */
export interface KnowledgeOptions extends Omit<ChannelOptions, 'wall' | 'monotonic'> {
  readonly maxEntries: number
  readonly maxBytes: number
  readonly now: () => number
  readonly monotonic: () => number
}

/** How long the end of a session is remembered whose expiry is not known, in milliseconds. */
const UNKNOWN_LIFETIME = 60_000

/** Begins to listen to a feed, knowing nothing. */
export function createKnowledge(feed: InvalidationFeed, options: KnowledgeOptions): Knowledge {
  const { maxEntries, maxBytes, now, monotonic, ...lease } = options
  const counts = { hits: 0, misses: 0, fills: 0, fillsDropped: 0, invalidations: 0, evictions: 0 }
  const shelf = createShelf({ maxEntries, maxBytes, onEvict: () => (counts.evictions += 1) })
  const graves = createGraves(maxEntries, now)
  const calls = createCalls()
  /** Counts the stretches for which the channel was unbroken. Copies of another one are not proven fresh. */
  let era = UNPROVEN + 1
  /** The stretch that ended last, and how old its last proof was then. */
  let past = { era: UNPROVEN, proofAge: 0, endedAt: instant() }
  let isClosed = false

  const channel: Channel = createChannel(
    feed,
    {
      changed(key) {
        counts.invalidations += 1
        discard(key)
      },
      changedAll() {
        counts.invalidations += 1
        calls.voidAll()
        shelf.clear()
      },
      broken(proofAge) {
        calls.voidAll()
        // Nothing has been proven since it last broke.
        if (proofAge === Number.POSITIVE_INFINITY) return
        past = { era, proofAge, endedAt: instant() }
        era += 1
      },
    },
    { ...lease, monotonic, wall: now },
  )

  function instant(): Instant {
    return { monotonic: monotonic(), wall: now() }
  }

  function since(then: Instant): number {
    return Math.max(monotonic() - then.monotonic, now() - then.wall)
  }

  function discard(key: string): void {
    calls.void(key)
    shelf.remove(key)
  }

  /** One version that was read twice: touches may have moved its instants in between, in either order. */
  function blend(known: Copy, call: Call, session: StoredSession): Copy {
    return {
      session: moved(session, known.session.lastSeenAt, known.session.expiresAt),
      era: known.era === era ? era : call.era,
      asOf: call.asOf,
    }
  }

  /** How long ago it was certain that a copy says what the store says, in milliseconds. */
  function ageOf(copy: Copy): number {
    if (copy.era === era) return Math.min(channel.age(), since(copy.asOf))
    const proofAge = copy.era === past.era ? past.proofAge + since(past.endedAt) : Number.POSITIVE_INFINITY
    return Math.min(proofAge, since(copy.asOf))
  }

  return {
    peek(key, at, atLeast) {
      const copy = shelf.get(key)
      if (
        copy === undefined ||
        copy.era !== era ||
        copy.session.expiresAt <= at ||
        copy.session.version < atLeast ||
        !channel.isLive()
      ) {
        counts.misses += 1
        return undefined
      }
      counts.hits += 1
      shelf.use(copy)
      return copy.session
    },

    stale(key, at) {
      const copy = shelf.get(key)
      if (!copy || copy.session.expiresAt <= at) return undefined
      return ageOf(copy) <= lease.bound ? copy.session : undefined
    },

    begin(key) {
      // What began before a proof may bring what was changed before anybody listened.
      return { key, watch: calls.begin(key), era: channel.isProven() ? era : UNPROVEN, asOf: instant() }
    },

    end: ({ key, watch }) => calls.end(key, watch),

    keep(call, session) {
      const known = shelf.get(session.key)
      const isOlder = known !== undefined && session.version < known.session.version
      // A store that was set back says something older for good; that counts once the channel has broken in between.
      const isOvertaken = isOlder && (known.era === era || call.era !== era)
      if (isClosed || isOvertaken || graves.has(session.key)) {
        counts.fillsDropped += 1
        return
      }
      counts.fills += 1
      const isSame = known?.session.version === session.version
      shelf.put(isSame ? blend(known, call, session) : { session, era: call.era, asOf: call.asOf })
    },

    dismiss() {
      counts.fillsDropped += 1
    },

    // A read under way is a copy too: without a proof, nobody knows what has happened since it began. Only reads that
    // began after a proof are offered.
    flight: (key) => (channel.isLive() ? calls.flight(key) : undefined),

    move(key, lastSeenAt, expiresAt) {
      const copy = shelf.get(key)
      if (copy) shelf.put({ ...copy, session: moved(copy.session, lastSeenAt, expiresAt) })
    },

    distrustCalls: (key) => calls.void(key),
    discard,

    discardUser(principal, except) {
      calls.voidAll()
      shelf.removeWhere(({ session }) => session.principal === principal && session.key !== except)
    },

    expiryOf: (key) => shelf.get(key)?.session.expiresAt,

    bury(key, until = now() + UNKNOWN_LIFETIME) {
      discard(key)
      graves.bury(key, until)
    },

    isBuried: (key) => graves.has(key),
    exhume: (key) => graves.forget(key),

    stats: () => ({
      ...counts,
      leaseAge: channel.age(),
      size: shelf.size,
      bytes: shelf.bytes,
      tombstones: graves.size,
    }),

    async close() {
      isClosed = true
      shelf.clear()
      graves.clear()
      await channel.close()
    },
  }
}

function moved(session: StoredSession, lastSeenAt: number, expiresAt: number): StoredSession {
  return {
    ...session,
    lastSeenAt: Math.max(session.lastSeenAt, lastSeenAt),
    expiresAt: Math.max(session.expiresAt, expiresAt),
  }
}
