/**
 * The keys of a set at one moment, arranged for signing and verifying.
 *
 * @module
 */

import type { KeyObject } from 'node:crypto'
import type { ImportedKey } from '../keys/import-key.ts'
import type { KeyState, TokenAlgorithm } from '../keys.ts'
import { prepareCheck, prepareSigner, type SignatureCheck, type Signer } from '../signature.ts'

/** A key that tokens are accepted from. Its identity tells whether it is still the same key. */
export interface ActiveKey {
  readonly alg: TokenAlgorithm
  /** Secret or public key. */
  readonly key: KeyObject
  /** Checks a signature of this key. */
  readonly verify: SignatureCheck
}

/** The key of new tokens. */
export interface SigningKey {
  readonly kid: string
  /** First segment of every token of this key, as it is and no other way. */
  readonly header: string
  readonly sign: Signer
}

/** What may be signed with and accepted at this moment. It is replaced as a whole, never changed. */
export interface ActiveKeys {
  /** `undefined` for a verifier. */
  readonly signing: SigningKey | undefined
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
  let signing: SigningKey | undefined
  for (const held of keys) {
    if (held.state === 'retired') continue
    const { alg } = held
    const header = encodeHeader(held)
    const known = before?.byHeader.get(header)
    byHeader.set(header, known?.key.equals(held.verification) ? known : activate(held))
    if (held.state === 'signing' && held.signing)
      signing = { kid: held.kid, header, sign: prepareSigner(alg, held.signing) }
  }
  return { signing, byHeader }
}

function activate({ alg, verification: key }: HeldKey): ActiveKey {
  return { alg, key, verify: prepareCheck(alg, key) }
}

/** The protected header, to the byte. `at+jwt` keeps other kinds of tokens of the same issuer out (RFC 9068 §2.1). */
function encodeHeader({ kid, alg }: Pick<HeldKey, 'kid' | 'alg'>): string {
  return Buffer.from(JSON.stringify({ alg, typ: 'at+jwt', kid })).toString('base64url')
}
