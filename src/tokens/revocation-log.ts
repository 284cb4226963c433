/**
 * Where revocations are kept for all servers, and how each hears of new ones.
 *
 * Every entry has a number, one more than the one before. Whoever holds all entries up to a number and misses the next
 * one can tell, and reads everything again. There is one log beside each back end: `createRedisRevocationLog`,
 * `createPostgresRevocationLog`, `createNatsRevocationLog`, `createSqliteRevocationLog`, `createMemoryRevocationLog`.
 *
 * @module
 */

/** Something that was revoked. */
export interface RevocationEntry {
  /** One session, all tokens of a user that are older than an instant, or everybody's. */
  readonly kind: 'session' | 'user' | 'everyone'
  /** The `sid` or the `sub`; empty for everyone. Up to {@link MAX_SUBJECT_LENGTH} UTF-16 code units. */
  readonly subject: string
  /** First second of issue that is good again, since the Unix epoch; 0 for a session, which never is. */
  readonly validFrom: number
  /** First instant at which no token can be left that it is about, in milliseconds since the Unix epoch. */
  readonly expiresAt: number
}

/** Longest subject that every log must accept. */
export const MAX_SUBJECT_LENGTH = 1_024

/** All entries that have not expired, as of one moment. */
export interface RevocationSnapshot {
  /** Number of the newest entry that is in it, expired ones included; 0 when there was none. */
  readonly sequence: number
  readonly entries: readonly RevocationEntry[]
}

/**
 * Keeps revocations. Methods reject, with any error, when the back end gives no answer.
 *
 * It may lose entries when its back end does, and then its numbers go back; they never stay the same for another entry
 * without that being told as {@link RevocationListener.broken}.
 */
export interface RevocationLog {
  /** Name of the back end for messages and metrics. */
  readonly name: string
  /** Adds an entry, and resolves when it is stored as durably as the back end can. Adding one again is harmless. */
  append(entry: RevocationEntry): Promise<void>
  /** Reads everything that has not expired. */
  snapshot(): Promise<RevocationSnapshot>
  /** Begins to listen, in the background. A feed that is cut off tries again by itself until it is closed. */
  subscribe(listener: RevocationListener): RevocationSubscription
  /** The back end's own clock, in milliseconds since the Unix epoch. */
  now(): Promise<number>
}

/** What a log tells. The methods are called in the order of the log, and must not throw. */
export interface RevocationListener {
  /**
   * An entry was added; without one, the number was used up by something else.
   *
   * @param after Number from which on nothing else was added before this. @default the number before
   */
  appended(sequence: number, entry?: RevocationEntry, after?: number): void
  /**
   * A nonce came back, after every entry that was added before it was sent.
   *
   * @param sequence Number of the newest entry at that moment: one that was not told is missing.
   */
  echoed(nonce: string, sequence: number): void
  /** The channel broke: entries may be missed from now on. */
  broken(): void
}

/** A log that is listened to. */
export interface RevocationSubscription {
  /**
   * Sends a nonce through the back end, so that it comes back by the channel of the entries.
   *
   * @param nonce Up to 64 characters of base64url and `.`.
   */
  echo(nonce: string): Promise<void>
  /** Ends listening. The clients stay open: whoever made them closes them. */
  close(): Promise<void>
}
