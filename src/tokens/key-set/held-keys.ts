/**
 * Checks that keys make a set: names, families, and one key that signs.
 *
 * @module
 */

import { importKey, type ImportedKey } from '../keys/import-key.ts'
import type { KeyState, StoredKey, TokenKey } from '../keys.ts'
import type { HeldKey } from './active-keys.ts'

/**
 * Reads the keys of a set and gives each its state.
 *
 * @param now Instant for keys that come without one, in milliseconds since the Unix epoch.
 * @throws {TypeError} when the keys do not fit together, or one is unfit.
 * @throws {RangeError} when a key is too weak.
 */
export function holdKeys(
  operation: string,
  inputs: readonly (TokenKey | StoredKey)[],
  now: number,
): readonly HeldKey[] {
  if (!Array.isArray(inputs) || inputs.length === 0) {
    throw new TypeError(`Cannot ${operation} without a key: give a list of one or more`)
  }
  const keys = inputs.map((input) => importKey(operation, input))
  assertNames(operation, keys)
  assertFamily(operation, keys)
  const saysWhoSigns = keys.some((key) => key.state === 'signing')
  const first = saysWhoSigns ? undefined : keys.find((key) => key.state === undefined && key.signing)
  const held = keys.map((key) => hold(key, key.state ?? (key === first ? 'signing' : 'verify-only'), now))
  assertSigning(operation, held)
  assertNoIdlePrivateKey(operation, keys, held)
  return held
}

function hold(key: ImportedKey, state: KeyState, now: number): HeldKey {
  // A key that no longer signs is forgotten as far as it can be: nobody can steal what is not there.
  const signing =
    state === 'announced' || state === 'signing' || key.alg === 'HS256' ? key.signing : undefined
  return { ...key, signing, state, since: key.since ?? now }
}

function assertNames(operation: string, keys: readonly ImportedKey[]): void {
  const names = new Set(keys.map((key) => key.kid))
  if (names.size !== keys.length)
    throw new TypeError(`Cannot ${operation} as two keys have the same kid: rename one`)
}

/** A public key that is taken for an HMAC secret is the oldest attack on JWT libraries. */
function assertFamily(operation: string, keys: readonly ImportedKey[]): void {
  const secrets = keys.filter((key) => key.alg === 'HS256').length
  if (secrets > 0 && secrets < keys.length) {
    throw new TypeError(
      `Cannot ${operation} as HS256 secrets and key pairs must not be mixed: make two key sets`,
    )
  }
}

function assertSigning(operation: string, keys: readonly HeldKey[]): void {
  const signing = keys.filter((key) => key.state === 'signing')
  if (signing.length > 1) {
    throw new TypeError(`Cannot ${operation} as one key signs and no more: make the others 'verify-only'`)
  }
  if (signing.some((key) => key.signing === undefined)) {
    throw new TypeError(
      `Cannot ${operation} as a public key cannot sign: give its private key, or 'verify-only'`,
    )
  }
}

/** Keeps private keys out of a verifier, where nobody needs them and somebody could steal them. */
function assertNoIdlePrivateKey(
  operation: string,
  given: readonly ImportedKey[],
  held: readonly HeldKey[],
): void {
  if (held.some((key) => key.state === 'signing')) return
  if (given.some((key) => key.alg !== 'HS256' && key.signing)) {
    throw new TypeError(
      `Cannot ${operation} as a verifier gets no private key: give the public part, or make one key 'signing'`,
    )
  }
}
