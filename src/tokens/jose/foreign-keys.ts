/**
 * The keys of a foreign issuer: given once, or fetched from where it publishes them.
 *
 * @module
 */

import { KeyObject, type webcrypto } from 'node:crypto'
import type { CompactVerifyGetKey } from 'jose'
import { holdKeys } from '../key-set/held-keys.ts'
import { assertStrong } from '../keys/strength.ts'
import type { TokenAlgorithm, TokenKey } from '../keys.ts'

/** The part of a token's header that chooses a key. */
export interface KeyChoice {
  readonly alg: TokenAlgorithm
  readonly kid: string | undefined
}

/** A key for a token; `undefined` when there is none, or more than one. */
export type FindKey = (choice: KeyChoice, token: string) => Promise<KeyObject | undefined>

/**
 * Finds keys in a list. A token that names no key is checked with the only one of its algorithm.
 *
 * @throws {TypeError | RangeError} when a key is unfit.
 */
export function findInList(operation: string, inputs: readonly TokenKey[]): FindKey {
  const keys = holdKeys(operation, inputs, 0)
  return async ({ alg, kid }) => {
    const fitting = keys.filter((key) => key.alg === alg && (kid === undefined || key.kid === kid))
    return fitting.length === 1 ? fitting[0]?.verification : undefined
  }
}

/**
 * Finds keys where the issuer publishes them, and holds them to the same rules as ours. It rejects with the errors of
 * `jose`, and those of an unfit key.
 */
export function findRemotely(operation: string, getKey: CompactVerifyGetKey): FindKey {
  // `jose` gives the same object for the same key until it fetches again.
  const fit = new WeakMap<object, KeyObject>()

  return async ({ alg, kid }, token) => {
    const [header = '', payload = '', signature = ''] = token.split('.')
    const found = await getKey(kid === undefined ? { alg } : { alg, kid }, {
      protected: header,
      payload,
      signature,
    })
    // A published secret would be one that everybody can sign with.
    if (found instanceof Uint8Array || !('type' in found) || found.type !== 'public') return undefined
    const known = fit.get(found)
    if (known) return known
    const key = found instanceof KeyObject ? found : KeyObject.from(found as webcrypto.CryptoKey)
    assertStrong(`${operation} as a key of the issuer`, alg, key)
    fit.set(found, key)
    return key
  }
}
