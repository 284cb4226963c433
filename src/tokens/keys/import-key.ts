/**
 * Turns a key as it was given into one that can be used, or says what is wrong with it.
 *
 * @module
 */

import { createPrivateKey, createPublicKey, createSecretKey, KeyObject } from 'node:crypto'
import {
  type KeyState,
  type StoredKey,
  toJwk,
  type TokenAlgorithm,
  type TokenJwk,
  type TokenKey,
} from '../keys.ts'
import { assertStrong } from './strength.ts'

/** A key that was found fit for its algorithm. */
export interface ImportedKey {
  readonly kid: string
  readonly alg: TokenAlgorithm
  /** Secret or private key; absent where only the public part was given. */
  readonly signing: KeyObject | undefined
  /** Secret or public key. */
  readonly verification: KeyObject
  /** State that was given. */
  readonly state: KeyState | undefined
  /** Instant that was given with a persisted key. */
  readonly since: number | undefined
}

const ALGORITHMS: readonly unknown[] = ['HS256', 'ES256', 'EdDSA', 'RS256'] satisfies TokenAlgorithm[]
const STATES: readonly unknown[] = ['announced', 'signing', 'verify-only', 'retired'] satisfies KeyState[]

/**
 * Reads one key.
 *
 * @param operation What fails when the key is unfit, for the message: `'create tokens'`.
 * @throws {TypeError} when it is no key for its algorithm, or has no name.
 * @throws {RangeError} when it is too weak.
 */
export function importKey(operation: string, input: TokenKey | StoredKey): ImportedKey {
  assertNamed(operation, input)
  const { kid, alg, state } = input
  const subject = `${operation} as key ${JSON.stringify(kid)}`
  if (!ALGORITHMS.includes(alg)) {
    throw new TypeError(`Cannot ${subject} must say its alg: 'HS256', 'ES256', 'EdDSA' or 'RS256'`)
  }
  if (state !== undefined && !STATES.includes(state)) {
    throw new TypeError(
      `Cannot ${subject} has an unknown state: use 'announced', 'signing', 'verify-only' or 'retired'`,
    )
  }
  const key = toKeyObject(subject, input)
  assertStrong(subject, alg, key)
  return {
    kid,
    alg,
    signing: key.type === 'public' ? undefined : key,
    verification: key.type === 'private' ? createPublicKey(key) : key,
    state,
    since: 'since' in input ? input.since : undefined,
  }
}

function assertNamed(operation: string, input: unknown): asserts input is { readonly kid: string } {
  if (typeof input !== 'object' || input === null || input instanceof KeyObject) {
    throw new TypeError(`Cannot ${operation} as a key must be a JWK, or { kid, alg, key } around a KeyObject`)
  }
  if (!('kid' in input && typeof input.kid === 'string' && /^[\x20-\x7e]{1,128}$/.test(input.kid))) {
    throw new TypeError(`Cannot ${operation} as every key needs a kid of 1 to 128 printable ASCII characters`)
  }
}

function toKeyObject(subject: string, input: TokenKey | StoredKey): KeyObject {
  if ('key' in input) {
    if (input.key instanceof KeyObject) return input.key
    throw new TypeError(`Cannot ${subject} must hold a KeyObject of node:crypto in its member key`)
  }
  const jwk = 'jwk' in input ? input.jwk : input
  assertPurpose(subject, input, jwk)
  try {
    if (jwk.kty === 'oct') return createSecretKey(readSecret(jwk.k))
    const plain = { key: withoutName(jwk), format: 'jwk' } as const
    return jwk.d === undefined ? createPublicKey(plain) : createPrivateKey(plain)
  } catch {
    // Without the cause: what node:crypto says may quote the members of the key.
    throw new TypeError(`Cannot ${subject} is not a valid JWK: check kty and its members`)
  }
}

/** A JWK says itself what it may be used for; RFC 7517 §4.2 to §4.4. */
function assertPurpose(subject: string, input: TokenKey | StoredKey, jwk: TokenJwk): void {
  if (typeof jwk !== 'object' || jwk === null) throw new TypeError(`Cannot ${subject} holds no JWK`)
  if (jwk.alg !== undefined && jwk.alg !== input.alg) {
    throw new TypeError(`Cannot ${subject} is named with another alg than its JWK`)
  }
  if (jwk.use !== undefined && jwk.use !== 'sig') {
    throw new TypeError(`Cannot ${subject} is not for signatures: its use must be 'sig' or absent`)
  }
  const operations: unknown = jwk.key_ops
  if (operations === undefined) return
  const needed = jwk.kty !== 'oct' && jwk.d === undefined ? 'verify' : 'sign'
  if (!Array.isArray(operations) || !operations.includes(needed)) {
    throw new TypeError(
      `Cannot ${subject} is not allowed to ${needed}: its key_ops must include it or be absent`,
    )
  }
}

function readSecret(k: unknown): Buffer {
  const secret = Buffer.from(String(k), 'base64url')
  if (secret.toString('base64url') !== k) throw new TypeError('k is not base64url')
  return secret
}

function withoutName(jwk: TokenJwk): Omit<TokenJwk, 'kid' | 'alg' | 'use' | 'key_ops'> {
  const { kid: _kid, alg: _alg, use: _use, key_ops: _operations, ...members } = jwk
  return members
}

/** The persisted form of a key. It keeps the private part only where `keepPrivate` says so. */
export function exportKey(key: ImportedKey, keepPrivate: boolean): TokenJwk {
  const object = (keepPrivate && key.signing) || key.verification
  return { ...toJwk(object), kid: key.kid, alg: key.alg }
}
