/**
 * The session manager: one per application, in front of one store.
 *
 * @module
 */

import type { IndexedSessionStore, RevokingSessionStore, SessionStore } from '../stores/store.ts'
import { createStoreClock } from './clock.ts'
import { createCommits } from './commits.ts'
import { type CookieOptions, createCookieFormat } from './cookie.ts'
import { createCookieJar } from './cookie-jar.ts'
import { createCookieValues } from './cookie-value.ts'
import { type Duration, readDuration } from './duration.ts'
import { createEngine } from './engine.ts'
import { createEventHub, type EventHub, type SessionEventName, type SessionListener } from './events.ts'
import { attachExchange, exchangeOf, type HttpExchange } from './exchange.ts'
import { explainSession } from './explain.ts'
import { guardStore } from './guard.ts'
import { createIdSource, type RandomFill } from './id.ts'
import { createLifetime, type LifetimeOptions } from './lifetime.ts'
import { createLoader, type LoadOptions, noCopies, type OutagePolicy } from './loader.ts'
import {
  createPrincipalIndex,
  createPrincipalRevocation,
  type PrincipalRevocation,
  type PrincipalSessions,
} from './principal-sessions.ts'
import { POINTER_PRINCIPAL } from './record.ts'
import { createRotation } from './rotation.ts'
import type { Session } from './session.ts'
import { startSweeper } from './sweeper.ts'

/** Options of {@link createSessions}. */
export interface SessionsOptions extends LifetimeOptions {
  /** How the cookie is named and scoped. */
  readonly cookie?: CookieOptions
  /**
   * Sends the cookie over plain http, without Secure and the `__Host-` prefix, to requests that arrive so.
   *
   * @default in development, with a warning; `false` where NODE_ENV is `production`
   */
  readonly allowInsecureCookie?: boolean
  /**
   * What `load` does when the store gives no answer: `fail` rejects with {@link StoreUnavailableError} (503 and
   * Retry-After), `anonymous` goes on as for a stranger whose session cannot be changed; the cookie is left alone.
   * `stale`, with a near cache, gets by with a copy that was proven fresh within its bound, and fails without one.
   *
   * @default 'fail'
   */
  readonly outage?: OutagePolicy
  /**
   * Longest wait for one answer of the store.
   *
   * @default '500ms'
   */
  readonly storeTimeout?: Duration
  /**
   * Most sessions a user can have; a login beyond it ends the least recently used one.
   *
   * @default unlimited
   */
  readonly sessionLimit?: number
  /**
   * Age at which a session gets a new id by itself, when it is next used.
   *
   * @default never
   */
  readonly regenerateInterval?: Duration
  /**
   * How long the id from before a rotation still finds its session, for answers that got lost. Never after a
   * visitor's login: that id is dead at once.
   *
   * @default '10s'
   */
  readonly regenerateGrace?: Duration
  /**
   * How often expired sessions are removed from a store that does not do it by itself.
   *
   * @default '30s'
   */
  readonly sweepInterval?: Duration
  /**
   * Whether this is development: programming errors are thrown that are reported as events otherwise.
   *
   * @default NODE_ENV is not `production`
   */
  readonly development?: boolean
  /**
   * Clock, in milliseconds since the Unix epoch. A store with a clock of its own has the last word.
   *
   * @default Date.now
   */
  readonly now?: () => number
  /**
   * Source of the bits of session ids.
   *
   * @default crypto.randomFillSync
   */
  readonly randomFill?: RandomFill
}

/** Sessions of an application whose store need not know users. */
export interface Sessions<Data extends object> {
  /**
   * Finds the session of a request, once; later calls for the same request give the same one.
   *
   * A stranger's session is empty and costs the store nothing until it is changed.
   *
   * @param request What the framework hands to a handler: `req`, a context, a `Request`.
   * @throws {TypeError} when no adapter saw the request.
   * @throws {StoreUnavailableError} when the store gives no answer and the policy is `fail`.
   */
  load(request: object, options?: LoadOptions): Promise<Session<Data>>
  /**
   * Ends any session by its handle, for operators.
   *
   * @returns Whether there was one.
   */
  revoke(handle: string): Promise<boolean>
  /** Says in words why a request's cookie was or was not accepted, and whether browsers will keep the one set. */
  explain(request: object): Promise<readonly string[]>
  /** Listens to an event; returns the function that ends it. */
  on<Name extends SessionEventName>(name: Name, listener: SessionListener<Name>): () => void
  /** Removes expired sessions now, which happens by itself; resolves to how many there were. */
  sweep(): Promise<number>
  /** Ends the manager's timer. The store stays open: whoever made it closes it. */
  close(): void
  /** Ties a request to its exchange. For adapters. */
  attach(request: object, exchange: HttpExchange): void
}

/** Sessions of an application whose store finds them by user. */
export interface UserSessions<Data extends object> extends Sessions<Data> {
  /** All sessions of a user; `undefined` is nobody. */
  of(principal: string | undefined): PrincipalSessions
}

/** Sessions of an application whose store cannot find them by user, but can end them: memcached. */
export interface RevocableSessions<Data extends object> extends Sessions<Data> {
  /** All sessions of a user; `undefined` is nobody. */
  of(principal: string | undefined): PrincipalRevocation
}

const OPERATION = 'create a session manager'

/**
 * Creates a session manager.
 *
 * @typeParam Data Names and types of the session's attributes. Values are JSON.
 * @throws {TypeError | RangeError} when an option is wrong, or asks for what the store cannot do.
 *
 * @example
 * ```ts
 * const sessions = createSessions<{ cart: string[] }>(createMemoryStore(), { idleTimeout: '30m' })
 * ```
 */
export function createSessions<Data extends object = Record<string, never>>(
  store: IndexedSessionStore,
  options?: SessionsOptions,
): UserSessions<Data>
export function createSessions<Data extends object = Record<string, never>>(
  store: RevokingSessionStore,
  options?: Omit<SessionsOptions, 'sessionLimit'>,
): RevocableSessions<Data>
export function createSessions<Data extends object = Record<string, never>>(
  store: SessionStore,
  options?: Omit<SessionsOptions, 'sessionLimit'>,
): Sessions<Data>
export function createSessions<Data extends object>(
  store: SessionStore | IndexedSessionStore | RevokingSessionStore,
  options: SessionsOptions = {},
): Sessions<Data> | UserSessions<Data> | RevocableSessions<Data> {
  const { now = Date.now, development = process.env['NODE_ENV'] !== 'production' } = options
  const { sessionLimit = Number.POSITIVE_INFINITY, outage = 'fail' } = options
  const lifetime = createLifetime(OPERATION, options)
  checkOptions(store, outage, sessionLimit)

  const events = createEventHub()
  const guarded = guardStore(store, {
    timeout: readDuration(OPERATION, 'storeTimeout', options.storeTimeout ?? '500ms'),
    onDown: (error) => events.emit('storeDown', { error }),
    onUp: (downtime) => events.emit('storeUp', { downtime }),
  })
  const parts = {
    store: guarded,
    clock: createStoreClock(guarded.now, now),
    lifetime,
    events,
    mintId: createIdSource(options.randomFill),
    random: Math.random,
    grace: readDuration(OPERATION, 'regenerateGrace', options.regenerateGrace ?? '10s'),
  }
  const engine = createEngine(parts)
  const cookies = createCookieJar(createCookieFormat(OPERATION, options.cookie), {
    allowInsecureCookie: options.allowInsecureCookie,
    development,
    now: () => parts.clock.now(),
    warn: createWarnOnce(),
  })
  const index = 'list' in guarded ? createPrincipalIndex(guarded, engine, events, sessionLimit) : undefined
  const values = createCookieValues(guarded)
  const loader = createLoader<Data>(parts, {
    values,
    host: {
      engine,
      rotation: createRotation(parts, engine),
      commits: createCommits(parts, engine),
      events,
      cookies,
      values,
      development,
      enforceLimit: async (principal, keep) => index?.enforceLimit(principal, keep),
    },
    outage,
    regenerateInterval:
      options.regenerateInterval === undefined
        ? Number.POSITIVE_INFINITY
        : readDuration(OPERATION, 'regenerateInterval', options.regenerateInterval),
  })
  const sweeper = startSweeper(
    guarded.sweep,
    events,
    readDuration(OPERATION, 'sweepInterval', options.sweepInterval ?? '30s'),
  )
  reportEvictions(store, events)

  const sessions: Sessions<Data> = {
    load(request, loadOptions) {
      const exchange = exchangeOf(request)
      return exchange ? loader.load(exchange, loadOptions) : Promise.reject(notAttached())
    },
    async revoke(handle) {
      const removed = await engine.remove(handle)
      if (removed.kind !== 'session') return false
      const { key, principal } = removed.snapshot
      events.emit('revoked', { handle: key, principal, by: 'operator' })
      return true
    },
    async explain(request) {
      const exchange = exchangeOf(request)
      if (!exchange) throw notAttached()
      return explainSession(exchange, cookies, await loader.load(exchange, { outage: 'anonymous' }))
    },
    on: (name, listener) => events.on(name, listener),
    sweep: () => sweeper.sweep(),
    close: () => sweeper.stop(),
    attach: attachExchange,
  }
  if (index) return { ...sessions, of: (principal) => index.of(principal) }
  if ('revokeAll' in guarded) return { ...sessions, of: createPrincipalRevocation(guarded, engine, events) }
  return sessions
}

function checkOptions(store: SessionStore | IndexedSessionStore, outage: string, sessionLimit: number): void {
  if (outage !== 'fail' && outage !== 'anonymous' && outage !== 'stale') {
    throw new TypeError(
      `Cannot ${OPERATION} as outage must be 'fail', 'anonymous' or 'stale': received ${JSON.stringify(outage)}`,
    )
  }
  if (outage === 'stale' && !store.copies) throw noCopies(store.name)
  if (sessionLimit !== Number.POSITIVE_INFINITY && !(Number.isInteger(sessionLimit) && sessionLimit > 0)) {
    throw new RangeError(
      `Cannot ${OPERATION} as sessionLimit must be a whole number > 0: received ${sessionLimit}`,
    )
  }
  if (sessionLimit !== Number.POSITIVE_INFINITY && !('list' in store)) {
    throw new TypeError(
      `Cannot ${OPERATION} with a sessionLimit as the ${store.name} store cannot find sessions by user`,
    )
  }
}

function notAttached(): TypeError {
  return new TypeError(
    'Cannot load a session as no adapter saw this request: add one before the handler, such as app.use(expressSessions(sessions))',
  )
}

function reportEvictions(store: SessionStore, events: EventHub): void {
  store.onEvict?.(({ key, principal }) => {
    if (principal !== POINTER_PRINCIPAL) events.emit('evicted', { handle: key, principal })
  })
}

function createWarnOnce(): (message: string) => void {
  const told = new Set<string>()
  return (message) => {
    if (told.has(message)) return
    told.add(message)
    process.emitWarning(message, 'CoatcheckWarning')
  }
}
