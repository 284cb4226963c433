/**
 * Refresh tokens: opaque, rotating, one record for each login on any store that writes conditionally.
 *
 * A token is good for one step to the next one. Whoever presents the one before within a short grace gets the same
 * successor, because answers get lost and tabs race; whoever presents an older one ends the login, because two parties
 * hold it (RFC 9700 §4.14.2). Nothing that is stored can be used to log in.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import type { Duration } from '../duration.ts'
import { type IndexedSessionStore, type SessionStore, StoreUnavailableError } from '../stores/store.ts'
import { createFamilyEnding } from './refresh/ending.ts'
import { createRefreshJournal, type RefreshEvent, type RefreshRejection } from './refresh/events.ts'
import { claimsOf, expiryOf, handleOf, type StoredFamily, toRecord } from './refresh/family.ts'
import { createRefreshIndex } from './refresh/listing.ts'
import { readRefreshOptions } from './refresh/options.ts'
import { createRotation } from './refresh/rotation.ts'
import { createStoreCalls } from './refresh/store-calls.ts'
import type { RevocationCheck } from './revocation-check.ts'
import { createRefreshSigner, parseRefreshToken } from './refresh/token.ts'

export type { RefreshEvent, RefreshRejection } from './refresh/events.ts'

/** The part of a revocation list that refresh tokens use; what `createRevocations` makes fits. */
export interface RefreshRevocations extends RevocationCheck {
  /** Denies the access tokens of a session; resolved when that is stored. */
  revokeSession(sid: string): Promise<void>
  /** The second of issue for something that is issued to this user in that second: never one that is revoked. */
  issuedAt(sub: string, seconds: number): number
  /** Current time by the list, in milliseconds since the Unix epoch. */
  now(): number
}

/** What the access tokens of a login say about whom. */
export interface RefreshClaims {
  readonly sub: string
  readonly sid: string
  readonly scope?: string
  readonly client_id?: string
}

/** Options of {@link createRefreshTokens}. */
export interface RefreshOptions {
  /**
   * Secrets of at least 32 random bytes: the first signs, all of them verify.
   *
   * To rotate, give every server the new one as the last first; when all have it, put it in front; take the old one
   * away when the longest login that it signed is over. Taking it away sooner ends those logins.
   */
  readonly keys: readonly Uint8Array[]
  /** Where the access tokens of a login that is ended are denied, or the name for doing without. */
  readonly revocations: RefreshRevocations | 'access-tokens-outlive-logout'
  /** How long the token before the good one is answered with the good one; at most five minutes. @default '30s' */
  readonly grace?: Duration
  /** How long a login lasts that is not used. @default '7d' */
  readonly idleTimeout?: Duration
  /** How long a login lasts at most. It never moves. @default '30d' */
  readonly absoluteTimeout?: Duration
  /** Longest wait for one call to the store. @default '500ms' */
  readonly timeout?: Duration
  /** Clock for a store that has none of its own, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
  /**
   * Asked before each step whether the user may go on: the account may be disabled by now (ASVS 7.4.2). `false` ends
   * the login; a rejection is passed on and changes nothing.
   */
  readonly authorize?: (claims: RefreshClaims) => boolean | Promise<boolean>
  /** Told of everything that happens, synchronously. It must not throw. */
  readonly onEvent?: (event: RefreshEvent) => void
}

/** A login to begin. */
export interface RefreshStart {
  readonly sub: string
  /** Session id for its access tokens, where the login belongs to a session. @default 128 random bits in base64url */
  readonly sid?: string
  /** Scopes, separated by blanks. */
  readonly scope?: string
  readonly clientId?: string
}

/** A refresh token, and what goes into the access token beside it. */
export interface RefreshGrant {
  readonly refreshToken: string
  /** First instant at which the token is gone unless it is used, in milliseconds since the Unix epoch. */
  readonly expiresAt: number
  /** First instant at which the login is gone in any case. */
  readonly absoluteExpiresAt: number
  readonly claims: RefreshClaims
}

/** What became of a refresh token that was presented. */
export type RefreshResult =
  | ({ readonly ok: true } & RefreshGrant)
  /**
   * Leave the client's cookie alone then: a parallel request of the same browser may have got a new one meanwhile, and
   * an answer that clears it would log the user out.
   */
  | { readonly ok: false; readonly reason: RefreshRejection }

/** Refresh tokens on a store. Methods reject with {@link StoreUnavailableError} when it gives no answer. */
export interface RefreshTokens {
  /** Begins a login. */
  start(login: RefreshStart): Promise<RefreshGrant & { readonly handle: string }>
  /** Takes one token for the next. Of parallel presenters of one token, all get the same successor. */
  rotate(refreshToken: unknown): Promise<RefreshResult>
  /**
   * Ends the login of a token, no matter how old the token is (RFC 7009).
   *
   * When it resolves, its refresh tokens are refused, and its access tokens within the bound of the revocation list.
   *
   * @returns Whether this very call ended a login.
   */
  revoke(refreshToken: unknown): Promise<boolean>
  /** Ends the timer that completes what other servers left unfinished. The store stays open. */
  close(): void
}

/** One login of a user, as it is listed. */
export interface RefreshInfo {
  readonly handle: string
  readonly sid: string
  readonly scope: string | undefined
  readonly clientId: string | undefined
  readonly startedAt: number
  readonly lastUsedAt: number
  readonly expiresAt: number
}

/** What a store that can find the records of a user adds. */
export interface RefreshIndex {
  /** Lists the logins of a user, last used first. */
  list(sub: string): Promise<readonly RefreshInfo[]>
  /** Ends the logins of a user that carry this session id, and resolves to how many. */
  revokeSession(sub: string, sid: string): Promise<number>
  /** Ends all logins of a user, and resolves to how many. Access tokens of other origin are not touched. */
  revokeUser(sub: string): Promise<number>
  /** Completes what servers that died left unfinished. It runs by itself every 5 s. */
  recover(): Promise<number>
}

/** How often families that another server left half revoked are looked for, in milliseconds. */
const RECOVERY_INTERVAL = 5_000

/**
 * Creates refresh tokens on a store.
 *
 * Give it a store of its own (another table or prefix than the sessions'), so that each can be counted, swept and
 * emptied apart. Where they do share one, neither takes a record of the other for its own.
 *
 * Every instant is by the store's clock. The store is read past its copies: a stale one would raise false alarms.
 *
 * @throws {TypeError} when keys are missing, or `revocations` is.
 * @throws {RangeError} when a key is too short or a duration out of range.
 * @example
 * ```ts
 * const refresh = createRefreshTokens(store, { keys: [secret], revocations })
 * const { refreshToken } = await refresh.start({ sub: user.id })
 * const result = await refresh.rotate(refreshToken)
 * ```
 */
export function createRefreshTokens(
  store: IndexedSessionStore,
  options: RefreshOptions,
): RefreshTokens & RefreshIndex
export function createRefreshTokens(store: SessionStore, options: RefreshOptions): RefreshTokens
export function createRefreshTokens(
  store: SessionStore | IndexedSessionStore,
  options: RefreshOptions,
): RefreshTokens {
  const settings = readRefreshOptions(options)
  const { keys, idleTimeout, absoluteTimeout, timeout, now, revocations, onEvent } = settings
  const signer = createRefreshSigner(keys)
  const journal = createRefreshJournal(onEvent)
  const calls = createStoreCalls(store, { what: 'a token family', timeout, now })
  const ending = createFamilyEnding(store, calls, revocations && ((sid) => revocations.revokeSession(sid)))
  const rotation = createRotation({ calls, signer, ending, journal }, settings)

  // A server that finds the store or the log away leaves it to the next round, or to another server.
  const recover = () => void ending.recover().catch(() => undefined)
  const recovery =
    'list' in store && revocations ? setInterval(recover, RECOVERY_INTERVAL).unref() : undefined

  return {
    async start({ sub, sid = randomBytes(16).toString('base64url'), scope, clientId }) {
      if (typeof sub !== 'string' || sub === '') {
        throw new TypeError('Cannot start a login as sub must be the id of a user')
      }
      const at = await calls.now()
      // Compared with the instants of revocations, so it is by their clock.
      const seconds = Math.floor((revocations?.now() ?? at) / 1000)
      const name = randomBytes(32).toString('base64url')
      const family: StoredFamily = {
        handle: handleOf(name),
        version: 0,
        sub,
        sid,
        scope,
        clientId,
        generation: 1,
        salt: randomBytes(16).toString('base64url'),
        signedBy: signer.signsWith,
        startedAt: at,
        issuedAt: revocations?.issuedAt(sub, seconds) ?? seconds,
        rotatedAt: at,
        idleExpiresAt: at + idleTimeout,
        absoluteExpiresAt: at + absoluteTimeout,
        state: 'active',
      }
      const { outcome } = await calls.create(family.handle, toRecord(family, at))
      if (outcome !== 'written') {
        throw new StoreUnavailableError(
          `Cannot start a login as the ${store.name} store did not keep it; try again`,
        )
      }
      journal.tell('started', family)
      const { handle, absoluteExpiresAt } = family
      const refreshToken = signer.sign(name, family)!
      return {
        refreshToken,
        handle,
        expiresAt: expiryOf(family),
        absoluteExpiresAt,
        claims: claimsOf(family),
      }
    },
    rotate: (refreshToken) => rotation.rotate(refreshToken),
    async revoke(refreshToken) {
      const token = parseRefreshToken(refreshToken)
      const family = token && (await rotation.open(token))
      if (typeof family !== 'object') return false
      const isMine = await ending.end(family)
      if (isMine) journal.tell('revoked', family)
      return isMine
    },
    close: () => clearInterval(recovery),
    ...('list' in store && createRefreshIndex(store, calls, ending, journal)),
  }
}
