/**
 * The session manager: one per application, in front of one store.
 *
 * @module
 */

import type { IndexedSessionStore, RevokingSessionStore, SessionStore } from '../stores/store.ts'
import { createStoreClock } from './clock.ts'
import { createCommits } from './commits.ts'
import { createCookieValues } from './cookie-value.ts'
import { type Duration, readDuration } from '../duration.ts'
import { createEngine } from './engine.ts'
import { createEventHub, type EventHub } from './events.ts'
import { guardStore } from './guard.ts'
import { createIdSource, type RandomFill } from './id.ts'
import { createLifetime } from './lifetime.ts'
import { createLoader, noCopies, type OutagePolicy } from './loader.ts'
import { createCookies, createManager, isDevelopment, type Manager, type ManagerOptions } from './manager.ts'
import {
  createPrincipalIndex,
  createPrincipalRevocation,
  type PrincipalRevocation,
  type PrincipalSessions,
} from './principal-sessions.ts'
import { POINTER_PRINCIPAL } from './record.ts'
import { createRotation } from './rotation.ts'
import { startSweeper } from './sweeper.ts'
import type { TokenRevocations } from './token-ties.ts'

/** Options of {@link createSessions}. */
export interface SessionsOptions extends ManagerOptions {
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
   * Where tokens are revoked that {@link Session.tieTokens} has tied to sessions: they end when their session is ended.
   * Logging a user out everywhere revokes all their tokens.
   *
   * @default there are no tokens
   */
  readonly revocations?: TokenRevocations
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
   * Source of the bits of session ids.
   *
   * @default crypto.randomFillSync
   */
  readonly randomFill?: RandomFill
}

/** Sessions of an application whose store need not know users. */
export interface Sessions<Data extends object> extends Manager<Data> {
  /**
   * Ends any session by its handle, for operators.
   *
   * @returns Whether there was one.
   */
  revoke(handle: string): Promise<boolean>
  /** Removes expired sessions now, which happens by itself; resolves to how many there were. */
  sweep(): Promise<number>
  /** Ends the manager's timer. The store stays open: whoever made it closes it. */
  close(): void
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
  const { now = Date.now, sessionLimit = Number.POSITIVE_INFINITY, outage = 'fail' } = options
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
    revocations: options.revocations,
    mintId: createIdSource(options.randomFill),
    random: Math.random,
    grace: readDuration(OPERATION, 'regenerateGrace', options.regenerateGrace ?? '10s'),
  }
  const engine = createEngine(parts)
  const { cookies } = createCookies(OPERATION, options, () => parts.clock.now())
  const index = 'list' in guarded ? createPrincipalIndex(guarded, engine, parts, sessionLimit) : undefined
  const values = createCookieValues(guarded)
  const loader = createLoader<Data>(parts, {
    values,
    host: {
      engine: { ...engine, remove: ({ key }) => engine.remove(key) },
      rotation: createRotation(parts, engine),
      commits: createCommits(parts, engine),
      events,
      cookies,
      values,
      development: isDevelopment(options),
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
    ...createManager<Data>(loader, cookies, events),
    async revoke(handle) {
      const removed = await engine.remove(handle)
      if (removed.kind !== 'session') return false
      const { key, principal } = removed.snapshot
      events.emit('revoked', { handle: key, principal, by: 'operator' })
      return true
    },
    sweep: () => sweeper.sweep(),
    close: () => sweeper.stop(),
  }
  if (index) return { ...sessions, of: (principal) => index.of(principal) }
  if ('revokeAll' in guarded) return { ...sessions, of: createPrincipalRevocation(guarded, engine, parts) }
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

function reportEvictions(store: SessionStore, events: EventHub): void {
  store.onEvict?.(({ key, principal }) => {
    if (principal !== POINTER_PRINCIPAL) events.emit('evicted', { handle: key, principal })
  })
}
