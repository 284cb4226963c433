/**
 * The session of one request: what a handler reads and changes.
 *
 * @module
 */

import { type DeepReadonly, readAttribute, snapshotValue } from './attributes.ts'
import type { OwnedSession } from './engine.ts'
import type { HttpExchange } from './exchange.ts'
import type { Origin, SessionHost } from './host.ts'
import { type SessionInfo, toInfo } from './principal-sessions.ts'
import { mintTokenSession, TOKEN_SESSION, tokenSessionOf } from './token-ties.ts'
import { type CommitOutcome, SessionState } from './state.ts'

/** Options of {@link Session.login}. */
export interface LoginOptions {
  /**
   * Whether the login outlives the browser: its cookie gets a Max-Age, and `rememberTimeout` takes the place of both
   * timeouts.
   *
   * @default false
   */
  readonly remember?: boolean
}

/** How a session's cookie was understood, for explanations. Not for applications. */
export let originOf: (session: Session<object>) => Origin

/** Goes on with another state of a session, whose cookie is sent. Not for applications. */
export let replaceSession: (
  session: Session<object>,
  next: (owned: OwnedSession) => OwnedSession,
) => Promise<void>

type Key<Data> = keyof Data & string

/**
 * The session of one request.
 *
 * A stranger gets one too: it is stored, and its cookie sent, at the first change. `set` and `delete` are committed
 * before the answer's headers leave; everything that returns a promise is stored when that resolves.
 *
 * When a session was ended meanwhile by a logout or a revocation, changes to it are dropped, it reads as empty, and
 * its cookie is cleared. When the store gives no answer, what needs it rejects with {@link StoreUnavailableError}.
 */
export class Session<Data extends object> {
  readonly #state: SessionState

  static {
    originOf = (session) => session.#state.origin
    replaceSession = (session, next) => session.#state.replace(next)
  }

  /** Made by `load` only. */
  constructor(host: SessionHost, exchange: HttpExchange, origin: Origin) {
    this.#state = new SessionState(host, exchange, origin)
  }

  /** Public handle, with which a session is listed and revoked; `undefined` until it is stored. Useless as a cookie. */
  get handle(): string | undefined {
    return this.#state.owned?.snapshot.key
  }

  /** Whether nothing of it is stored: a stranger's session before its first change. */
  get isNew(): boolean {
    return this.#state.owned === undefined
  }

  /** Id of the user who is logged in; `undefined` for a visitor. */
  get principal(): string | undefined {
    return this.#state.owned?.snapshot.principal
  }

  /** When the session began, or its user logged in; milliseconds since the Unix epoch. `undefined` until stored. */
  get createdAt(): number | undefined {
    return this.#state.owned?.snapshot.createdAt
  }

  /** When its user proved who they are; `undefined` for a visitor. */
  get authenticatedAt(): number | undefined {
    return this.principal === undefined ? undefined : this.createdAt
  }

  /** Last recorded use before this request, coarsely; `undefined` until stored. */
  get lastSeenAt(): number | undefined {
    return this.#state.owned?.snapshot.lastSeenAt
  }

  /** First instant at which it will be gone, unless it is used before; `undefined` until stored. */
  get expiresAt(): number | undefined {
    return this.#state.owned?.snapshot.expiresAt
  }

  /** This session as it is listed among its user's; `undefined` until stored. */
  get info(): SessionInfo | undefined {
    return this.#state.owned && toInfo(this.#state.owned.snapshot)
  }

  /**
   * Whether the visitor has just logged in through a parallel request, so that this request's id counts no more.
   *
   * Such a session reads as a stranger's. Changing it rejects with {@link SessionSupersededError}; a login works.
   */
  get superseded(): boolean {
    return this.#state.superseded
  }

  /** Whether the store was away and the outage policy `anonymous` lets this request go on as a stranger's. */
  get unavailable(): boolean {
    return this.#state.unavailable
  }

  /** Reads an attribute; `undefined` when it is not set. The value is frozen: change it by `set` or `update`. */
  get<K extends Key<Data>>(key: K): DeepReadonly<Data[K]> | undefined {
    return readAttribute(this.#state.attributes, key) as DeepReadonly<Data[K]> | undefined
  }

  /** Whether an attribute is set. */
  has(key: Key<Data>): boolean {
    return this.get(key) !== undefined
  }

  /**
   * Sets an attribute to a copy of `value`; committed before the headers leave. Of parallel sets the last one stays.
   *
   * @throws {TypeError} when the value does not survive JSON.
   * @throws {LateWriteError} when the answer has begun.
   */
  set<K extends Key<Data>>(key: K, value: DeepReadonly<Data[K]>): void {
    const copy = snapshotValue(key, value)
    // Nothing to store when it is there already.
    if (typeof copy !== 'object' && copy === this.get(key)) return
    this.#state.change({ key, value: copy })
  }

  /** Removes an attribute; committed before the headers leave. */
  delete(key: Key<Data>): void {
    if (this.has(key)) this.#state.change({ key, value: undefined })
  }

  /**
   * Changes an attribute atomically: no parallel update is lost, on this server or on another.
   *
   * @param key Attribute to change.
   * @param change Computes the new value from the newest one; `undefined` removes it. It may run more than once.
   * @returns The value as stored; `undefined` also when the session was ended meanwhile.
   */
  update<K extends Key<Data>>(
    key: K,
    change: (value: DeepReadonly<Data[K]> | undefined) => DeepReadonly<Data[K]> | undefined,
  ): Promise<DeepReadonly<Data[K]> | undefined> {
    let stored: unknown
    return this.#state.update(
      {
        key,
        update: (value) => change(value as DeepReadonly<Data[K]> | undefined),
        report: (_before, after) => (stored = after),
      },
      () => stored as DeepReadonly<Data[K]> | undefined,
    )
  }

  /**
   * Reads an attribute and removes it, atomically: a flash message is shown by exactly one of parallel requests.
   *
   * @returns `undefined` when it is not set; then nothing is written.
   */
  async take<K extends Key<Data>>(key: K): Promise<DeepReadonly<Data[K]> | undefined> {
    if (!this.has(key)) return undefined
    let taken: unknown
    return this.#state.update(
      {
        key,
        update: () => undefined,
        report: (before) => (taken = before),
      },
      () => taken as DeepReadonly<Data[K]> | undefined,
    )
  }

  /**
   * Logs a user in: a new id, the same attributes, listed by user.
   *
   * The visitor's id from before lets nobody in from then on. Another user's session is ended and nothing of it is
   * carried over.
   *
   * @param principal The user's id in the application.
   */
  async login(principal: string, options: LoginOptions = {}): Promise<void> {
    const { remember = false } = options
    if (typeof principal !== 'string' || principal === '') {
      throw new TypeError('Cannot log in as principal must be a text that is not empty')
    }
    await this.#state.login(principal, remember)
  }

  /**
   * Reads the session again, past every copy in this process: before something that a session revoked a second ago on
   * another server must not do. Changes that are not committed yet stay on top.
   *
   * @returns Whether there is such a session still; a stranger's is `false`.
   */
  fresh(): Promise<boolean> {
    return this.#state.readAgain()
  }

  /**
   * Ties tokens to this session: what it resolves to goes into their claim `sid`, so that they end when the session is
   * ended (option `revocations` of the manager). It stays the same when the session gets a new id.
   *
   * @returns `undefined` when the session was ended meanwhile.
   * @throws {TypeError} when nobody is logged in.
   */
  async tieTokens(): Promise<string | undefined> {
    if (this.principal === undefined) {
      throw new TypeError('Cannot tie tokens to a session as nobody is logged in to it')
    }
    const tied = tokenSessionOf(this.#state.attributes)
    if (tied !== undefined) return tied
    let sid: string | undefined
    return this.#state.update(
      {
        key: TOKEN_SESSION,
        update: (value) => value ?? mintTokenSession(),
        report: (_before, after) => (sid = after as string),
      },
      () => sid,
    )
  }

  /** Gives the session a new id, as after a change of privilege. Nothing happens to one that is not stored. */
  regenerate(): Promise<void> {
    return this.#state.regenerate()
  }

  /** Ends the session: a logout. Its id lets nobody in from then on, on any server, and its cookie is cleared. */
  destroy(): Promise<void> {
    return this.#state.destroy()
  }

  /**
   * Stores the changes so far, which happens by itself before the headers leave.
   *
   * @returns `gone` when the session was ended meanwhile, so that nothing was stored.
   */
  commit(): Promise<CommitOutcome> {
    return this.#state.commit()
  }
}
