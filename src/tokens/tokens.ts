/**
 * Access tokens: signed here, verified anywhere without looking anything up, and revocable all the same.
 *
 * @module
 */

import { type Duration, readDuration } from '../duration.ts'
import { createIssuer, type IssueOptions, type TokenClaims } from './issue.ts'
import { createKeySet, type Jwks, type KeySet } from './key-set.ts'
import type { StoredKey, TokenKey } from './keys.ts'
import { createTokenPairs, type TokenPairs } from './refresh/pairs.ts'
import type { RefreshTokens } from './refresh.ts'
import type { RevocationCheck } from './revocation-check.ts'
import { createVerifier, type Verification } from './verify.ts'

/** Options of {@link createTokens}. */
export interface TokensOptions {
  /** Who issues the tokens: a URL. Compared to the character. */
  readonly issuer: string
  /** Whom the tokens are for: the URL or name of this API. */
  readonly audience: string
  /** A {@link KeySet}, which may change later, or keys that stay as they are. */
  readonly keys: KeySet | readonly (TokenKey | StoredKey)[]
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default that of `revocations`, so that a server whose clock is ahead issues nothing that outlives a revocation
   */
  readonly now?: () => number
  /**
   * How long a token is accepted, a second or more. Keep it in minutes: it is also how long permissions that were taken
   * away go on working.
   *
   * @default '5m'
   */
  readonly lifetime?: Duration
  /**
   * Longest token that is read or issued, in characters.
   *
   * @default 8_192
   */
  readonly maxLength?: number
  /**
   * How many verified tokens are remembered, about 1 KB each. 0 verifies every signature each time.
   *
   * @default 10_000 for key pairs; 0 for HS256, whose signature costs little more than looking it up
   */
  readonly cacheSize?: number
  /**
   * Asked for every token that is otherwise good. Without it a token works until it expires. While it cannot tell, tokens
   * are refused; `allowPossiblyRevoked` of `createRevocations` is the way to accept them.
   */
  readonly revocations?: RevocationCheck
  /** Refresh tokens; with them there are `login`, `rotate` and the other methods of {@link TokenPairs}. */
  readonly refresh?: RefreshTokens
}

/** Issues and verifies the access tokens of one issuer for one audience. */
export interface Tokens {
  /**
   * Signs a token.
   *
   * Put in ids and permissions only: the token is encoded, not encrypted, and ends up in logs. `jti` is made up where it
   * is not given.
   *
   * @throws {TypeError} when a claim is reserved or of the wrong type, or there is no signing key.
   * @throws {RangeError} when the token would be longer than `maxLength`, or live longer than `lifetime`.
   */
  issue(claims: TokenClaims, options?: IssueOptions): string
  /** Answers whether a token is accepted now, and its claims, frozen. It throws on no input. */
  verify(token: unknown): Verification
  /** The public keys that are accepted, to be published. HS256 keys are never in it. */
  jwks(): Jwks
}

/**
 * Creates the tokens of an API.
 *
 * With public keys alone it verifies and does not issue.
 *
 * @throws {TypeError} when issuer or audience is missing, or a key does not fit.
 * @throws {RangeError} when a key is too weak, or an option is out of range.
 * @example
 * ```ts
 * const tokens = createTokens({
 *   issuer: 'https://shop.example',
 *   audience: 'https://shop.example/api',
 *   keys: [generateKey('ES256')],
 * })
 * const token = tokens.issue({ sub: 'u-4711', sid: 's-1', scope: 'cart:write' })
 * const answer = tokens.verify(token)
 * if (answer.ok) console.log(answer.claims.sub)
 * ```
 */
export function createTokens(
  options: TokensOptions & { readonly refresh: RefreshTokens },
): Tokens & TokenPairs
export function createTokens(options: TokensOptions): Tokens
export function createTokens(options: TokensOptions): Tokens {
  const { issuer, audience, maxLength = 8_192, cacheSize = 10_000, revocations, refresh } = options
  const now = options.now ?? (revocations?.now ? () => revocations.now!() : Date.now)
  const lifetime = readLifetime(options.lifetime ?? '5m')
  assertName('issuer', issuer)
  assertName('audience', audience)
  assertCount('maxLength', maxLength, 256)
  assertCount('cacheSize', cacheSize, 0)
  const keys = 'active' in options.keys ? options.keys : createKeySet(options.keys, { now })
  if (keys === options.keys && keys.overlap < lifetime) {
    throw new RangeError(
      `Cannot create tokens as the key set's overlap must be >= lifetime, or rotation logs users out: received ${keys.overlap} and ${lifetime}`,
    )
  }
  const verify = createVerifier({
    issuer,
    audience,
    keys,
    now,
    maxLength,
    cacheSize,
    cacheSecrets: options.cacheSize !== undefined,
    revocations,
  })
  const issue = createIssuer({ issuer, audience, keys, now, lifetime, maxLength, revocations })
  return {
    issue,
    verify,
    jwks: () => keys.jwks(),
    ...(refresh && createTokenPairs(refresh, { issue, now, lifetime, revocations })),
  }
}

function readLifetime(value: Duration): number {
  const lifetime = readDuration('create tokens', 'lifetime', value)
  if (lifetime >= 1_000) return lifetime
  throw new RangeError(
    `Cannot create tokens as lifetime must be >= 1 s, the unit of a token: received ${value}`,
  )
}

function assertName(option: string, value: unknown): void {
  if (typeof value !== 'string' || value === '') {
    throw new TypeError(
      `Cannot create tokens as ${option} must be a non-empty string: tokens of others would be accepted`,
    )
  }
}

function assertCount(option: string, value: number, least: number): void {
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(
      `Cannot create tokens as ${option} must be a whole number >= ${least}: received ${value}`,
    )
  }
}
