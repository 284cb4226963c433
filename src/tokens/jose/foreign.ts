/**
 * Tokens that another issuer signed: an identity provider, or another company's API.
 *
 * The same rules for claims as for our own, with `jose` for the signature and for fetching keys.
 *
 * @module
 */

import type * as JoseModule from 'jose'
import { type Duration, readDuration } from '../../duration.ts'
import { type AccessClaims, type ClaimRejection, findClaimFault, findTimeFault } from '../claims.ts'
import type { TokenAlgorithm, TokenKey } from '../keys.ts'
import { parseStrictObject } from '../strict-json.ts'
import { type FindKey, findInList, findRemotely } from './foreign-keys.ts'
import { createForeignSignatureCheck, type SignatureRejection } from './foreign-signature.ts'

/** Why a foreign token is refused. */
export type ForeignRejection = SignatureRejection | ClaimRejection

/** The answer to a foreign token. */
export type ForeignVerification =
  | { readonly ok: true; readonly claims: AccessClaims }
  | { readonly ok: false; readonly reason: ForeignRejection }

/** Where the keys of a foreign issuer are. */
export type ForeignKeys =
  /** Keys that were handed over: public ones, or a shared HS256 secret. */
  | { readonly keys: readonly TokenKey[]; readonly jwksUrl?: never }
  /** Address of the issuer's JWK Set, over https. */
  | { readonly jwksUrl: string | URL; readonly keys?: never }

/** Options of {@link createForeignVerifier}. */
export type ForeignVerifierOptions = ForeignKeys & {
  /** Who issues the tokens, to the character. */
  readonly issuer: string
  /** The audience that we are to this issuer. */
  readonly audience: string
  /** Algorithms that the issuer uses. @default those of `keys`; for `jwksUrl` ES256, EdDSA and RS256 */
  readonly algorithms?: readonly TokenAlgorithm[]
  /**
   * Types that are accepted, without `application/`. Many issuers write `'JWT'`: then make sure that the audience is not
   * that of their ID tokens.
   *
   * @default ['at+jwt']
   */
  readonly types?: readonly string[]
  /** Accepts every type, or none: an ID token may then pass for an access token. @default false */
  readonly allowAnyType?: boolean
  /** Accepts `http:` for `jwksUrl`: whoever is on the way can then sign tokens. @default false */
  readonly allowInsecureUrl?: boolean
  /** How long to wait for the issuer's keys. @default '5s' */
  readonly fetchTimeout?: Duration
  /** How long fetched keys are used before they are fetched again. @default '10m' */
  readonly refreshInterval?: Duration
  /** How long after a fetch an unknown key does not cause another one. @default '30s' */
  readonly fetchCooldown?: Duration
  /** Longest token that is read, in characters. @default 8_192 */
  readonly maxLength?: number
  /** Clock, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
}

/** Verifies the tokens of one foreign issuer. */
export interface ForeignVerifier {
  /** Answers whether a token is accepted now, and its claims, frozen. It never rejects. */
  verify(token: unknown): Promise<ForeignVerification>
}

const OPERATION = 'create a foreign verifier'

/**
 * Creates a verifier of another issuer's tokens. It needs the package `jose`, version 6.
 *
 * @throws {TypeError} when `jose` is not installed, or an option does not fit. The promise rejects.
 * @throws {RangeError} when a key is too weak, or an option is out of range. The promise rejects.
 * @example
 * ```ts
 * const partner = await createForeignVerifier({
 *   issuer: 'https://login.partner.example',
 *   audience: 'https://shop.example/api',
 *   jwksUrl: 'https://login.partner.example/jwks.json',
 * })
 * const answer = await partner.verify(token)
 * ```
 */
export async function createForeignVerifier(options: ForeignVerifierOptions): Promise<ForeignVerifier> {
  const {
    issuer,
    audience,
    types = ['at+jwt'],
    allowAnyType = false,
    maxLength = 8_192,
    now = Date.now,
  } = options
  if (!issuer || !audience) throw new TypeError(`Cannot ${OPERATION} without issuer and audience: give both`)
  const algorithms = readAlgorithms(options)
  const jose = await importJose()
  const checkSignature = createForeignSignatureCheck({
    verify: jose.compactVerify,
    findKey: createFindKey(options, jose),
    algorithms,
    types: allowAnyType ? undefined : types.map((type) => type.toLowerCase()),
    maxLength,
  })

  return {
    async verify(token) {
      const payload = await checkSignature(token)
      if (typeof payload === 'string') return { ok: false, reason: payload }
      const claims = parseStrictObject(payload)
      if (!claims) return { ok: false, reason: 'bad-claims' }
      const fault =
        findClaimFault(claims, { issuer, audience }) ?? findTimeFault(claims as AccessClaims, now())
      return fault ? { ok: false, reason: fault } : { ok: true, claims: claims as AccessClaims }
    },
  }
}

type Jose = Pick<typeof JoseModule, 'compactVerify' | 'createRemoteJWKSet'>

/** Loaded when it is needed, so that nobody else has to install it. */
async function importJose(): Promise<Jose> {
  try {
    return await import('jose')
  } catch (cause) {
    throw new TypeError(`Cannot ${OPERATION} without the package jose: run npm install jose`, { cause })
  }
}

function readAlgorithms({ keys, algorithms }: ForeignVerifierOptions): readonly TokenAlgorithm[] {
  const used =
    algorithms ?? (keys ? [...new Set(keys.map((key) => key.alg))] : (['ES256', 'EdDSA', 'RS256'] as const))
  if (!keys && used.includes('HS256')) {
    throw new TypeError(
      `Cannot ${OPERATION} for HS256 from an address: a published secret is none, use key pairs`,
    )
  }
  return used
}

function createFindKey(options: ForeignVerifierOptions, jose: Jose): FindKey {
  if (options.keys) return findInList(OPERATION, options.keys)
  const url = new URL(options.jwksUrl)
  if (url.protocol !== 'https:' && options.allowInsecureUrl !== true) {
    throw new TypeError(
      `Cannot ${OPERATION} as jwksUrl must be https: whoever is on the way could sign tokens`,
    )
  }
  const { fetchTimeout = '5s', refreshInterval = '10m', fetchCooldown = '30s' } = options
  return findRemotely(
    OPERATION,
    jose.createRemoteJWKSet(url, {
      timeoutDuration: readDuration(OPERATION, 'fetchTimeout', fetchTimeout),
      cacheMaxAge: readDuration(OPERATION, 'refreshInterval', refreshInterval),
      cooldownDuration: readDuration(OPERATION, 'fetchCooldown', fetchCooldown),
    }),
  )
}
