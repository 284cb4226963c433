/**
 * The keys of a set at one moment, arranged for signing and verifying.
 *
 * @module
 */

import type { KeyObject } from 'node:crypto'
import type { ImportedKey } from '../keys/import-key.ts'
import type { KeyState, TokenAlgorithm } from '../keys.ts'

/** A key that tokens are accepted from. Its identity tells whether it is still the same key. */
export interface ActiveKey {
  readonly alg: TokenAlgorithm
  /** First segment of every token of this key, as it is and no other way. */
  readonly header: string
  /** Secret or public key. */
  readonly key: KeyObject
}

/** What may be signed with and accepted at this moment. It is replaced as a whole, never changed. */
export interface ActiveKeys {
  /** The key of new tokens, a secret or private key; `undefined` for a verifier. */
  readonly signing: ActiveKey | undefined
  /** Every key that is accepted, by the first segment of its tokens. */
  readonly byHeader: ReadonlyMap<string, ActiveKey>
}

/** A key of a set. */
export interface HeldKey extends ImportedKey {
  readonly state: KeyState
  readonly since: number
}

/**
 * Arranges the keys of a set.
 *
 * @param before The keys that were active until now. A key that stays the same is the same object again, so that what
 * a cache knows of it stays true.
 */
export function arrangeKeys(keys: readonly HeldKey[], before?: ActiveKeys): ActiveKeys {
  const byHeader = new Map<string, ActiveKey>()
  let signing: ActiveKey | undefined
  for (const held of keys) {
    if (held.state === 'retired') continue
    const header = encodeHeader(held)
    const known = before?.byHeader.get(header)
    const isSame = known?.key.equals(held.verification) === true
    byHeader.set(header, isSame ? known : { alg: held.alg, header, key: held.verification })
    if (held.state === 'signing' && held.signing) signing = { alg: held.alg, header, key: held.signing }
  }
  return { signing, byHeader }
}

/** The protected header, to the byte. `at+jwt` keeps other kinds of tokens of the same issuer out (RFC 9068 §2.1). */
function encodeHeader({ kid, alg }: Pick<HeldKey, 'kid' | 'alg'>): string {
  return Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid })).toString('base64url')
}
