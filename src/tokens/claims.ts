/**
 * The claims of an access token (RFC 9068 §2.2) and the rules they are held to. Their times are in seconds, as on the wire.
 *
 * @module
 */

import type { JsonObject } from './strict-json.ts'

/** What an access token says. It is encoded, not encrypted: anybody who holds the token reads it. */
export interface AccessClaims {
  /** Who issued the token. */
  readonly iss: string
  /** Whom it is for. */
  readonly aud: string | readonly string[]
  /** Id of the user. Never a name or an address. */
  readonly sub: string
  /** First instant at which the token is no longer accepted, in seconds since the Unix epoch. */
  readonly exp: number
  /** Instant of issue, in seconds since the Unix epoch. */
  readonly iat: number
  /** First instant at which the token is accepted, in seconds since the Unix epoch. */
  readonly nbf?: number
  /** Id of the token. */
  readonly jti?: string
  /** Id of the session or token family, by which the token is revoked. */
  readonly sid?: string
  /** Id of the client that the token was issued to. */
  readonly client_id?: string
  /** Permissions, separated by spaces. */
  readonly scope?: string
  readonly [name: string]: unknown
}

/** Why claims are refused. */
export type ClaimRejection =
  /** Not a JSON object, or a claim is missing or of the wrong type. */
  'bad-claims' | 'wrong-issuer' | 'wrong-audience' | TimeRejection

/** Why a token is refused at this moment. */
export type TimeRejection =
  /** The instant of `exp` has come. */
  | 'expired'
  /** The instant of `nbf` has not come, or `iat` is more than 5 s ahead. */
  | 'not-yet-valid'

/** Whose tokens are accepted, by whom. */
export interface ExpectedClaims {
  readonly issuer: string
  readonly audience: string
}

/** How far ahead the clock of the server that issued a token may be, in milliseconds. */
const CLOCK_SKEW = 5_000

/** Checks everything about claims but the time. */
export function findClaimFault(claims: JsonObject, expected: ExpectedClaims): ClaimRejection | undefined {
  const { iss, aud, sub, exp, iat, nbf, jti, sid, client_id: client, scope } = claims
  const isTyped =
    isId(sub) &&
    Number.isSafeInteger(exp) &&
    Number.isSafeInteger(iat) &&
    (nbf === undefined || Number.isSafeInteger(nbf)) &&
    (jti === undefined || isId(jti)) &&
    (sid === undefined || isId(sid)) &&
    (client === undefined || isId(client)) &&
    (scope === undefined || typeof scope === 'string')
  if (!isTyped || typeof iss !== 'string' || !isAudience(aud)) return 'bad-claims'
  if (iss !== expected.issuer) return 'wrong-issuer'
  if (aud !== expected.audience && !(typeof aud === 'object' && aud.includes(expected.audience))) {
    return 'wrong-audience'
  }
  return undefined
}

function isId(value: unknown): value is string {
  return typeof value === 'string' && value !== ''
}

/** RFC 9068 §4 wants our own audience to be *among* those of the token (RFC 7519 §4.1.3). */
function isAudience(value: unknown): value is string | readonly string[] {
  return (
    typeof value === 'string' || (Array.isArray(value) && value.every((entry) => typeof entry === 'string'))
  )
}

/**
 * Checks claims against the clock.
 *
 * @param now Current time, in milliseconds. A clock that gives no number accepts nothing.
 */
export function findTimeFault(claims: AccessClaims, now: number): TimeRejection | undefined {
  if (!(now < claims.exp * 1_000)) return 'expired'
  if (claims.iat * 1_000 > now + CLOCK_SKEW) return 'not-yet-valid'
  return claims.nbf !== undefined && claims.nbf * 1_000 > now ? 'not-yet-valid' : undefined
}
