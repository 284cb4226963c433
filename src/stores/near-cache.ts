/**
 * Copies of a shared store's sessions in this process, kept true by what the back end tells of changes.
 *
 * @module
 */

import type { InvalidationFeed } from './invalidations.ts'
import { createKnowledge } from './near-cache/knowledge.ts'
import { fromStamp, toStamp } from './near-cache/stamp.ts'
import { wrapStore } from './near-cache/wrap.ts'
import type { IndexedSessionStore, RevokingSessionStore, SessionCopies, SessionStore } from './store.ts'

export type { InvalidationFeed, InvalidationListener, InvalidationSubscription } from './invalidations.ts'

/** Options of {@link createNearCache}. */
export interface NearCacheOptions {
  /** Most copies kept, a positive integer. @default 10_000 */
  readonly maxEntries?: number
  /** Most bytes that the copies take up, reckoned at two for each character. @default 67_108_864 (64 MiB) */
  readonly maxBytes?: number
  /**
   * How long a change on another server may go unnoticed at most, in milliseconds. When nothing has proven for so long that
   * changes are told, every read asks the store.
   *
   * @default 2_000
   */
  readonly bound?: number
  /** How often a proof is asked for, in milliseconds. @default a fifth of the bound */
  readonly interval?: number
  /**
   * Called when copies are no longer proven fresh, or not yet after two bounds, and the store is asked for everything.
   *
   * @param error What the feed said last when it was asked for a proof, if it failed.
   */
  readonly onLapse?: (error: unknown) => void
  /** Called when copies are proven fresh. */
  readonly onRenew?: () => void
  /**
   * Wall clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
  /**
   * Monotonic clock, in milliseconds.
   *
   * @default performance.now
   */
  readonly monotonic?: () => number
}

/** What a near cache has done since it was made, and holds now. */
export interface NearCacheStats {
  /** Copies served. */
  readonly hits: number
  /** Times that the store had to be asked instead. */
  readonly misses: number
  /** Answers of the store that were kept. */
  readonly fills: number
  /** Answers of the store that were not kept, as a change may have overtaken them. */
  readonly fillsDropped: number
  /** Changes that the back end told of, on any server. */
  readonly invalidations: number
  /** Copies that had to make room. */
  readonly evictions: number
  /** Age of the newest proof that changes are told, in milliseconds; `Infinity` when there is none. */
  readonly leaseAge: number
  /** Copies held. */
  readonly size: number
  /** Bytes that they take up. */
  readonly bytes: number
  /** Ended sessions that are remembered. */
  readonly tombstones: number
}

/** What a near cache adds to a store. */
export interface NearCache {
  readonly copies: SessionCopies
  stats(): NearCacheStats
  /** Ends listening. Every read asks the store from then on. The store and the feed's clients stay open. */
  close(): Promise<void>
}

/** A store with a near cache in front, which can do what the store can. */
export type NearCachedStore<Store extends SessionStore = SessionStore> = Pick<
  Store,
  Extract<keyof Store, keyof IndexedSessionStore | keyof RevokingSessionStore>
> &
  NearCache

/**
 * Puts a near cache in front of a store.
 *
 * It only ever holds what the store has said, and never writes to the store by itself. The engine looks at
 * {@link NearCache.copies} first, which costs no I/O. All methods of the store ask the store, as without a cache; reads
 * of one session that run at the same time share one question.
 *
 * @param feed Tells of changes in the same back end: `createRedisInvalidations`, `createPostgresInvalidations`,
 * `createSqliteInvalidations`.
 * @throws {RangeError} when an option is out of range.
 * @throws {TypeError} when the store keeps copies itself.
 * @example
 * ```ts
 * const store = createNearCache(createSqliteStore(database), createSqliteInvalidations(database))
 * const sessions = createSessions(store)
 * ```
 */
export function createNearCache<Store extends SessionStore>(
  store: Store,
  feed: InvalidationFeed,
  options: NearCacheOptions = {},
): NearCachedStore<Store> {
  const { maxEntries = 10_000, maxBytes = 67_108_864, bound = 2_000, interval = bound / 5 } = options
  const { now = Date.now, monotonic = () => performance.now() } = options
  const { onLapse = () => undefined, onRenew = () => undefined } = options
  checkOptions(store, { maxEntries, maxBytes, bound, interval })
  const limits = { maxEntries, maxBytes, bound, interval }
  const known = createKnowledge(feed, { ...limits, now, monotonic, onLapse, onRenew })
  const { store: wrapped, fresh } = wrapStore(store, known)

  const near: NearCache = {
    copies: {
      peek: known.peek,
      stale: known.stale,
      fresh,
      stamp: (_key, version) => toStamp(version),
      floor: (_key, stamp) => fromStamp(stamp),
    },
    stats: () => known.stats(),
    close: () => known.close(),
  }
  return { ...wrapped, ...near } as unknown as NearCachedStore<Store>
}

function checkOptions(store: SessionStore, options: Readonly<Record<string, number>>): void {
  if (store.copies) throw new TypeError('Cannot create a near cache as the store keeps copies itself')
  for (const [name, value] of Object.entries(options)) {
    const isFine = name.startsWith('max') ? Number.isSafeInteger(value) && value > 0 : value > 0
    if (isFine && value < Number.POSITIVE_INFINITY) continue
    throw new RangeError(`Cannot create a near cache as ${name} must be > 0: received ${value}`)
  }
}
