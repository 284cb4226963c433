/**
 * The contract between the session engine and the place that keeps its sessions.
 *
 * The clauses of `../conformance/store-contract.ts` state the same contract as tests.
 *
 * Three rules carry the promises of this package:
 *
 * - **Never upsert.** {@link SessionStore.create} inserts a key that the engine has just minted. Every later
 *   write is conditional on existence *and* version, in one atomic step.
 * - **The store's clock decides** whether a session is still alive. A record whose `expiresAt` has come does not
 *   exist, for any method.
 * - **A store serves strangers the same as the past.** Unknown, expired and deleted keys look alike.
 *
 * @module
 */

/** One session, as the engine hands it to a store. A store returns every field unchanged. */
export interface SessionRecord {
  /** Session data, serialized by the engine. Opaque to the store; up to {@link MAX_RECORD_LENGTH} characters. */
  readonly data: string
  /** Id of the user that is logged in; `undefined` for a visitor. Stores index their records by it. */
  readonly principal: string | undefined
  /** Instant at which the session began, in milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Instant of the last recorded use, in milliseconds since the Unix epoch. */
  readonly lastSeenAt: number
  /** First instant at which the session is gone, in milliseconds since the Unix epoch. */
  readonly expiresAt: number
}

/** One session, as a store hands it to the engine. */
export interface StoredSession extends SessionRecord {
  /** Key of the record: the SHA-256 of the session id in base64url, 43 characters. Also the public handle. */
  readonly key: string
  /**
   * Version of the record, a positive safe integer that the store assigns.
   *
   * It grows with each write of `data` or `principal`, not necessarily by one. A touch may or may not change it.
   */
  readonly version: number
}

/** What became of a conditional write. */
export type WriteResult =
  /** Stored durably, as this version. */
  | { readonly outcome: 'written'; readonly version: number }
  /** Another writer came first; nothing was stored. The caller reads again. */
  | { readonly outcome: 'conflict' }
  /** There is no such session any more; nothing was stored. */
  | { readonly outcome: 'gone' }

/**
 * Keeps sessions by key.
 *
 * Every method rejects with {@link StoreUnavailableError} when the back end gives no answer. A method that
 * resolves has taken effect: what it reported is visible to every later call on any server.
 */
export interface SessionStore {
  /** Name of the back end for messages and metrics: `'memory'`, `'sqlite'`, … */
  readonly name: string

  /**
   * Inserts a session under a key that was just minted.
   *
   * @returns `written`, or `conflict` when the key is taken; then nothing was stored.
   */
  create(key: string, record: SessionRecord): Promise<WriteResult>

  /**
   * Reads a live session.
   *
   * @param atLeast Version that the caller has proof of. A store with {@link SessionStore.copies} never answers with
   * an older one from a copy; it asks the back end. Other stores always do, and ignore it.
   * @returns `undefined` when there is none: unknown, expired and deleted look alike.
   * @throws {CorruptRecordError} when something is stored that the store cannot decode.
   */
  read(key: string, atLeast?: number): Promise<StoredSession | undefined>

  /**
   * Replaces a live session that still has the given version.
   *
   * Existence, version and write are one atomic step. It never inserts.
   */
  write(key: string, version: number, record: SessionRecord): Promise<WriteResult>

  /**
   * Records a use: moves `lastSeenAt` and `expiresAt` of a live session, never backwards.
   *
   * @returns Whether there was such a session. It never inserts.
   */
  touch(key: string, lastSeenAt: number, expiresAt: number): Promise<boolean>

  /**
   * Deletes a session.
   *
   * @returns The record that this very call removed, so that exactly one of several callers gets it;
   * `undefined` when there was no live one.
   */
  delete(key: string): Promise<StoredSession | undefined>

  /**
   * Sets a record that cannot be decoded aside, where an operator finds it and `read` does not.
   *
   * A store that keeps no second place deletes it.
   *
   * @returns Whether this very call did, so that exactly one of several callers tells of it; `false` when there is no
   * such record.
   */
  quarantine(key: string): Promise<boolean>

  /**
   * The back end's own clock, in milliseconds since the Unix epoch.
   *
   * Present where the back end is another machine or another process may have a different clock. The engine then
   * computes every instant by it, so that a server whose clock is wrong neither shortens nor stretches a session.
   */
  readonly now?: () => Promise<number>

  /**
   * Removes some expired sessions, at most `limit`. Present where the back end does not expire them by itself.
   *
   * Of several servers on one back end, one sweeps at a time; the others resolve to an empty list.
   *
   * @returns The sessions removed, oldest expiry first. Fewer than `limit` means that there are no more for now.
   */
  readonly sweep?: (limit: number) => Promise<readonly SweptSession[]>

  /**
   * Registers a listener for every live session that a bounded store drops to make room.
   *
   * Present where a store is bounded. The listener is called synchronously and must not throw.
   */
  readonly onEvict?: (listener: (session: SweptSession) => void) => void

  /** The copies in this process. Present where {@link SessionStore.read} may answer from one. */
  readonly copies?: SessionCopies
}

/**
 * Copies of sessions in this process, which the engine asks before it asks the store.
 *
 * A copy is served only as long as its freshness is *proven*: whatever was acknowledged on any server longer ago
 * than the bound is in it. Looking at a copy is synchronous and never fails.
 */
export interface SessionCopies {
  /**
   * A live session whose copy is proven fresh and not older than `atLeast`; `undefined` when the store must be asked.
   *
   * @param now Current time by the store's clock, in milliseconds since the Unix epoch.
   * @param atLeast Version that the caller has proof of; 0 for none.
   */
  peek(key: string, now: number, atLeast: number): StoredSession | undefined

  /**
   * A copy to get by with while the store gives no answer: not proven fresh any more, but it was within the bound.
   *
   * @param now Current time by the store's clock, in milliseconds since the Unix epoch.
   */
  stale(key: string, now: number): StoredSession | undefined

  /** Reads past the copies, as {@link SessionStore.read} of a store without any. */
  fresh(key: string): Promise<StoredSession | undefined>

  /**
   * Encodes a version for the cookie, so that the next server knows which writes it must have seen.
   *
   * @returns 1 to 64 characters of base64url.
   */
  stamp(key: string, version: number): string

  /** Decodes a stamp; 0 when it is not one of this store for this key. */
  floor(key: string, stamp: string): number
}

/** What remains of a session that expired or was evicted. */
export interface SweptSession {
  /** Key of the removed record; also the public handle. */
  readonly key: string
  /** User that was logged in; `undefined` for a visitor. */
  readonly principal: string | undefined
}

/** A store that can also find the sessions of a user. */
export interface IndexedSessionStore extends SessionStore {
  /** Lists the live sessions of a user, in no particular order; an empty array when there are none. */
  list(principal: string): Promise<readonly StoredSession[]>
}

/** A store that cannot find the sessions of a user, but can end them all at once. */
export interface RevokingSessionStore extends SessionStore {
  /**
   * Ends every session of a user that is stored now.
   *
   * When it resolves, none of them is found any more on any server. Sessions created later are not affected.
   *
   * @param except Key of the session that stays, if it is this user's.
   */
  revokeAll(principal: string, except?: string): Promise<void>
}

/** Longest `data` that every store must accept, in UTF-16 code units. */
export const MAX_RECORD_LENGTH = 262_144

/** The back end of a store gave no answer, or refused to. */
export class StoreUnavailableError extends Error {
  override readonly name = 'StoreUnavailableError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_STORE_UNAVAILABLE'
  /** HTTP status that fits, read by Express, Koa and Fastify. */
  readonly status = 503
  /** HTTP headers that fit, read by Express. */
  readonly headers = { 'Retry-After': '1' }
}

/** Something is stored under a key that is not a session record. */
export class CorruptRecordError extends Error {
  override readonly name = 'CorruptRecordError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_CORRUPT_RECORD'
}
