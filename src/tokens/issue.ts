/**
 * Signs tokens.
 *
 * @module
 */

import { randomFillSync } from 'node:crypto'
import { type Duration, readDuration } from '../duration.ts'
import { type ExpectedClaims, findClaimFault } from './claims.ts'
import type { KeySet } from './key-set.ts'
import type { RevocationCheck } from './revocation-check.ts'
import { parseStrictObject } from './strict-json.ts'

/** What a caller says in a token. The issuer adds `iss`, `aud`, `iat`, `exp`, and `jti` where there is none. */
export interface TokenClaims {
  /** Id of the user. Never a name or an address. */
  readonly sub: string
  /** Id of the session or token family, by which the token can be revoked. */
  readonly sid?: string | undefined
  /** Id of the token. */
  readonly jti?: string | undefined
  /** Id of the client that the token is for. */
  readonly client_id?: string | undefined
  /** Permissions, separated by spaces. */
  readonly scope?: string | undefined
  /** Anything else that is JSON. Nothing personal. */
  readonly [name: string]: unknown
}

/** Options of {@link Tokens.issue}. */
export interface IssueOptions {
  /** How long this token is accepted; no longer than `lifetime` of the tokens. @default `lifetime` */
  readonly lifetime?: Duration
  /** Another audience: a service that verifies with the same issuer's public keys. @default `audience` of the tokens */
  readonly audience?: string
}

/** What an issuer works with. */
export interface IssuerParts extends ExpectedClaims {
  readonly keys: KeySet
  readonly now: () => number
  readonly lifetime: number
  readonly maxLength: number
  readonly revocations?: RevocationCheck | undefined
}

/** Claims that the issuer alone sets. */
const RESERVED = ['iss', 'aud', 'iat', 'exp', 'nbf'] as const

/** Creates the function that signs tokens. */
export function createIssuer(parts: IssuerParts): (claims: TokenClaims, options?: IssueOptions) => string {
  const { issuer, keys, now, maxLength, revocations } = parts
  // Whoever logs in in the second in which all of the user's tokens were revoked gets one of the next second.
  const issuedAt = (sub: string, seconds: number) => revocations?.issuedAt?.(sub, seconds) ?? seconds

  return (claims, options = {}) => {
    const { audience = parts.audience } = options
    const key = keys.active().signing
    if (!key) throw new TypeError('Cannot issue a token as no key signs: give createTokens() a private key')
    for (const name of RESERVED) {
      if (claims[name] !== undefined)
        throw new TypeError(`Cannot issue a token as ${name} is set by the issuer: leave it out`)
    }
    const time = now()
    const payload = Buffer.from(
      JSON.stringify({
        ...claims,
        iss: issuer,
        aud: audience,
        iat: issuedAt(claims.sub, Math.floor(time / 1_000)),
        exp: Math.floor((time + readLifetime(options.lifetime, parts.lifetime)) / 1_000),
        jti: claims.jti ?? createTokenId(),
      }),
    )
    assertAcceptable(payload, { issuer, audience })
    const input = `${key.header}.${payload.toString('base64url')}`
    const token = `${input}.${key.sign(Buffer.from(input))}`
    if (token.length <= maxLength) return token
    throw new RangeError(
      `Cannot issue a token as it would be longer than ${maxLength} characters: put less into it`,
    )
  }
}

function readLifetime(value: Duration | undefined, longest: number): number {
  if (value === undefined) return longest
  const lifetime = readDuration('issue a token', 'lifetime', value)
  if (lifetime >= 1_000 && lifetime <= longest) return lifetime
  throw new RangeError(
    `Cannot issue a token as its lifetime must be from 1 s to that of the tokens: received ${value}`,
  )
}

/** What is issued must be what is accepted, so both are held to the same rules. */
function assertAcceptable(payload: Buffer, expected: ExpectedClaims): void {
  const claims = parseStrictObject(payload)
  const fault = claims ? findClaimFault(claims, expected) : 'bad-claims'
  if (fault === undefined) return
  throw new TypeError(
    'Cannot issue a token as a claim is of the wrong type: sub, sid, jti and client_id are non-empty strings, scope is a string',
  )
}

/** 128 random bits: a UUID has fewer. */
const ID_BYTES = 16
const pool = Buffer.alloc(ID_BYTES * 256)
let used = pool.length

/** Random bytes cost a system call; a pool makes it one for many ids. */
function createTokenId(): string {
  if (used === pool.length) {
    randomFillSync(pool)
    used = 0
  }
  used += ID_BYTES
  return pool.toString('base64url', used - ID_BYTES, used)
}
