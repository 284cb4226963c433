/**
 * Makes tokens of every kind, good and bad, with `node:crypto` alone.
 *
 * @module
 */

import { createHmac, type KeyObject, sign as signBytes } from 'node:crypto'
import type { TokenAlgorithm } from '../../tokens/keys.ts'
import type { TokenClause, TokenTrial } from '../token-contract.ts'

/** A JSON object to be. A member that is `undefined` is left out. */
export type Members = Readonly<Record<string, unknown>>

/** Algorithms with a public key. */
export const KEY_PAIRS: readonly TokenAlgorithm[] = ['ES256', 'EdDSA', 'RS256']

/** Encodes text or bytes as a segment; anything else as JSON first. */
export function encode(value: unknown): string {
  const bytes = Buffer.isBuffer(value)
    ? value
    : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
  return bytes.toString('base64url')
}

/** The protected header of a good token. */
export function headerOf(trial: TokenTrial): Members {
  return { alg: trial.alg, typ: 'at+jwt', kid: trial.kid }
}

/** The claims of a good token. */
export function claimsOf(trial: TokenTrial): Members {
  const now = trial.now / 1_000
  return {
    iss: trial.issuer,
    aud: trial.audience,
    sub: 'u-1',
    exp: now + 300,
    iat: now,
    jti: 't-1',
    sid: 's-1',
  }
}

/** Signs two segments with the key of the issuer, whatever they hold. */
export function seal(trial: TokenTrial, header: string, payload: string): string {
  const input = `${header}.${payload}`
  return `${input}.${encode(signWith(trial.alg, trial.key, input))}`
}

/** Signs text. */
export function signWith(alg: TokenAlgorithm, key: KeyObject, input: string): Buffer {
  const bytes = Buffer.from(input)
  if (alg === 'HS256') return createHmac('sha256', key).update(bytes).digest()
  if (alg === 'EdDSA') return signBytes(null, bytes, key)
  return signBytes('sha256', bytes, alg === 'ES256' ? { key, dsaEncoding: 'ieee-p1363' } : key)
}

/** A good token but for what is changed. */
export function tokenWith(trial: TokenTrial, claims: Members = {}, header: Members = {}): string {
  return seal(trial, encode({ ...headerOf(trial), ...header }), encode({ ...claimsOf(trial), ...claims }))
}

/** A good token but for its whole header, a text or bytes. */
export function withHeader(trial: TokenTrial, header: string | Buffer): string {
  return seal(trial, encode(header), encode(claimsOf(trial)))
}

/** A good token but for its whole payload, a text or bytes. */
export function withPayload(trial: TokenTrial, payload: string | Buffer): string {
  return seal(trial, encode(headerOf(trial)), encode(payload))
}

/** The three segments of a good token. */
export function segmentsOf(trial: TokenTrial): [header: string, payload: string, signature: string] {
  return tokenWith(trial).split('.') as [string, string, string]
}

/** A row that must be refused. */
export function refused(
  title: string,
  forge: TokenClause['forge'],
  algorithms?: readonly TokenAlgorithm[],
): TokenClause {
  return { title, expect: 'refused', forge, ...(algorithms && { algorithms }) }
}

/** A row that must be accepted. */
export function accepted(
  title: string,
  forge: TokenClause['forge'],
  algorithms?: readonly TokenAlgorithm[],
): TokenClause {
  return { title, expect: 'accepted', forge, ...(algorithms && { algorithms }) }
}
