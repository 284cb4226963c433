/**
 * What was revoked: a session, a user's tokens, or everybody's; known to every server within a bound.
 *
 * A token is verified without asking anybody, so what was taken back has to be known beforehand. Each server keeps the
 * whole list in memory, and entries leave it when no token can be left that they are about.
 *
 * @module
 */

import { type Duration, readDuration } from '../duration.ts'
import { createCaller } from './deadline.ts'
import type { RefreshRevocations } from './refresh.ts'
import { MAX_SUBJECT_LENGTH, type RevocationEntry, type RevocationLog } from './revocation-log.ts'
import { createLogClock } from './revocations/clock.ts'
import { createDenials } from './revocations/denials.ts'
import { createReplica } from './revocations/replica.ts'

/** Options of {@link createRevocations}. */
export interface RevocationsOptions {
  /**
   * Longest lifetime of an access token: how long a revoked session is remembered. At least what
   * the tokens are issued with; a minute is added for clocks.
   *
   * @default '10m'
   */
  readonly tokenLifetime?: Duration
  /**
   * Longest lifetime of a login: how long "all tokens of a user" is remembered, so that refresh tokens
   * are caught that come much later. The `absoluteTimeout` of refresh tokens.
   *
   * @default '30d'
   */
  readonly loginLifetime?: Duration
  /**
   * Age of the newest proof of freshness from which on the list counts as out of date.
   *
   * @default '2s'
   */
  readonly bound?: Duration
  /**
   * Accepts tokens that may have been revoked while the list is out of date, instead of refusing all. What was known
   * to be revoked stays refused, and nothing is accepted before the list was complete once.
   *
   * @default false
   */
  readonly allowPossiblyRevoked?: boolean
  /** Longest wait for the back end. @default '1s' */
  readonly timeout?: Duration
  /** Told of what operators want to know. It must not throw. */
  readonly onEvent?: (event: RevocationEvent) => void
  /** Local clock, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
  /** Monotonic clock of the lease, in milliseconds. @default performance.now */
  readonly monotonic?: () => number
}

/** Something that happened to the list. */
export type RevocationEvent =
  /** The list is no longer known to be complete. */
  | { readonly type: 'lapsed' }
  /** The list is known to be complete again. */
  | { readonly type: 'renewed' }
  /** The back end had lost entries, and has them again from this process. */
  | { readonly type: 'restored'; readonly count: number }
  /** The back end gave no answer in the background; it is asked again. */
  | { readonly type: 'error'; readonly error: unknown }

/** State of the list, for metrics. */
export interface RevocationStats {
  /** Entries in memory. */
  readonly size: number
  /** Number of the newest entry up to which all are known; `undefined` before the first snapshot. */
  readonly sequence: number | undefined
  /** Whether the list is proven to be complete within the bound. */
  readonly live: boolean
  /** Age of the newest proof in milliseconds; `Infinity` when there is none. */
  readonly age: number
  /** How often everything was read from the back end. */
  readonly snapshots: number
  /** Entries given back to a back end that had lost them. */
  readonly restored: number
}

/** Options of {@link Revocations.revokeUser} and {@link Revocations.revokeAll}. */
export interface RevokeSinceOptions {
  /** Tokens issued up to this instant are revoked, in milliseconds since the Unix epoch. @default now, by the log */
  readonly since?: number
}

/**
 * Revokes tokens, and tells which are.
 *
 * A method that revokes resolves when that is stored, and from then on every server refuses within the bound. It
 * rejects with `StoreUnavailableError` when it may not be stored.
 */
export interface Revocations extends RefreshRevocations {
  /** Revokes the access tokens that carry this `sid`, for good. Ending its refresh tokens is up to `RefreshTokens`. */
  revokeSession(sid: string): Promise<void>
  /**
   * Revokes all tokens of a user that were issued up to now, refresh tokens included: "log out everywhere", "password
   * changed". What is issued from now on is good, in the same second too.
   *
   * @throws {RangeError} when `since` is in the future.
   */
  revokeUser(sub: string, options?: RevokeSinceOptions): Promise<void>
  /** Revokes all tokens of everybody that were issued up to now, refresh tokens included. */
  revokeAll(options?: RevokeSinceOptions): Promise<void>
  /** Current time by the log, in milliseconds since the Unix epoch: the clock to issue tokens by. */
  now(): number
  /** How long a revoked session is remembered at least, in milliseconds: nothing that names it may be good for longer. */
  readonly tokenLifetime: number
  /** Resolved once the list is complete and proven fresh; a server is not ready before. */
  readonly ready: Promise<void>
  readonly stats: RevocationStats
  /** Ends listening. The clients stay open. From then on the list counts as out of date. */
  close(): Promise<void>
}

/** A token may be used some seconds after its end, as clocks differ; milliseconds. */
const LEEWAY = 60_000

/**
 * Creates the list of this process.
 *
 * @throws {RangeError} when a duration is out of range.
 * @example
 * ```ts
 * const revocations = createRevocations(createRedisRevocationLog(client))
 * await revocations.ready
 * await revocations.revokeUser(user.id)
 * ```
 */
export function createRevocations(log: RevocationLog, options: RevocationsOptions = {}): Revocations {
  const { allowPossiblyRevoked = false, onEvent, now = Date.now, monotonic } = options
  const read = (name: string, value: Duration) => readDuration('create revocations', name, value)
  const tokenLifetime = read('tokenLifetime', options.tokenLifetime ?? '10m')
  const loginLifetime = read('loginLifetime', options.loginLifetime ?? '30d')
  const bound = read('bound', options.bound ?? '2s')
  const timeout = read('timeout', options.timeout ?? '1s')
  const call = createCaller(`${log.name} revocation log`, timeout)
  const guarded: RevocationLog = {
    name: log.name,
    append: (entry) => call('store a revocation', () => log.append(entry)),
    snapshot: () => call('read the revocations', () => log.snapshot()),
    now: () => call('ask for the time', () => log.now()),
    subscribe: (listener) => log.subscribe(listener),
  }
  const clock = createLogClock(() => guarded.now(), now)
  const denials = createDenials()
  const { promise: ready, resolve: becomeReady, reject: giveUp } = promiseWithResolvers()
  // Whoever does not wait for it does not want to hear of it either.
  ready.catch(() => undefined)
  const replica = createReplica(guarded, denials, clock, {
    bound,
    ...(monotonic && { monotonic, wall: now }),
    onLapse: () => onEvent?.({ type: 'lapsed' }),
    onRenew: () => {
      becomeReady()
      onEvent?.({ type: 'renewed' })
    },
    onRestore: (count) => onEvent?.({ type: 'restored', count }),
    onError: (error) => onEvent?.({ type: 'error', error }),
  })

  async function revoke(entry: RevocationEntry): Promise<void> {
    await guarded.append(entry)
    // This server need not wait for what it knows.
    denials.add(entry, clock.now())
  }

  async function revokeSince(
    kind: 'user' | 'everyone',
    subject: string,
    { since }: RevokeSinceOptions = {},
  ): Promise<void> {
    const at = await guarded.now()
    if (since !== undefined && !(since >= 0 && since <= at)) {
      throw new RangeError('Cannot revoke tokens as since must not be in the future')
    }
    // Tokens tell their issue in whole seconds. Some of this second are older, so all of it goes; what is issued next
    // carries the second after: see issuedAt.
    const validFrom = Math.floor((since ?? at) / 1000) + 1
    const expiresAt = at + Math.max(loginLifetime, tokenLifetime) + LEEWAY
    await revoke({ kind, subject, validFrom, expiresAt })
  }

  return {
    tokenLifetime,
    ready,
    check(claims) {
      if (denials.isDenied(claims)) return 'revoked'
      if (replica.isLive()) return 'valid'
      return allowPossiblyRevoked && replica.sequence !== undefined ? 'valid' : 'unknown'
    },
    issuedAt: (sub, seconds) => Math.max(seconds, denials.validFrom(sub)),
    now: () => clock.now(),
    async revokeSession(sid) {
      assertSubject('sid', sid)
      const expiresAt = (await guarded.now()) + tokenLifetime + LEEWAY
      await revoke({ kind: 'session', subject: sid, validFrom: 0, expiresAt })
    },
    async revokeUser(sub, sinceOptions) {
      assertSubject('sub', sub)
      await revokeSince('user', sub, sinceOptions)
    },
    revokeAll: (sinceOptions) => revokeSince('everyone', '', sinceOptions),
    get stats() {
      const { sequence, snapshots, restored } = replica
      return { size: denials.size, sequence, live: replica.isLive(), age: replica.age(), snapshots, restored }
    },
    async close() {
      giveUp(new Error('The revocation list was closed before it was complete'))
      await replica.close()
    },
  }
}

function assertSubject(name: string, subject: string): void {
  if (typeof subject !== 'string' || subject === '') {
    throw new TypeError(`Cannot revoke tokens as ${name} must be a text that is not empty`)
  }
  if (subject.length > MAX_SUBJECT_LENGTH) {
    throw new RangeError(`Cannot revoke tokens as ${name} must have at most ${MAX_SUBJECT_LENGTH} characters`)
  }
}

/** Node 20 does not have `Promise.withResolvers`. */
function promiseWithResolvers() {
  let resolve: () => void = () => undefined
  let reject: (error: Error) => void = () => undefined
  const promise = new Promise<void>((onResolve, onReject) => {
    resolve = onResolve
    reject = onReject
  })
  return { promise, resolve, reject }
}
