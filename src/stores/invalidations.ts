/**
 * How the back end of a store tells its processes which sessions have changed.
 *
 * Each store that a near cache can stand before has a feed beside it: `createRedisInvalidations`,
 * `createPostgresInvalidations`, `createSqliteInvalidations`.
 *
 * @module
 */

/** A channel by which a back end pushes the keys of changed sessions to every process. */
export interface InvalidationFeed {
  /** Name of the back end for messages and metrics. */
  readonly name: string
  /**
   * Begins to listen, in the background.
   *
   * A feed that cannot connect, or is cut off, tries again by itself until it is closed.
   */
  subscribe(listener: InvalidationListener): InvalidationSubscription
}

/** What a feed tells. The methods are called synchronously, in the order of the channel, and must not throw. */
export interface InvalidationListener {
  /** The session with this key was written or deleted, on any server. A mere touch is not told. */
  changed(key: string): void
  /** Any session may have changed: the back end was wiped, or the channel cannot say which. */
  changedAll(): void
  /** A nonce came back, after every change that was acknowledged before it was sent. */
  echoed(nonce: string): void
  /** The channel broke: changes may be missed from now on, until nonces come back. */
  broken(): void
}

/** A feed that is listened to. */
export interface InvalidationSubscription {
  /**
   * Writes a nonce through the back end, so that it comes back by the channel of the changes.
   *
   * Never by a shortcut: it has to pass wherever changes pass. A rejection is one proof that does not come.
   *
   * @param nonce Up to 64 characters of base64url and `.`.
   */
  echo(nonce: string): Promise<void>
  /** Ends listening. The clients stay open: whoever made them closes them. */
  close(): Promise<void>
}
