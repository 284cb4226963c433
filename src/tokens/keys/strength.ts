/**
 * Which keys are fit for which algorithm (RFC 7518 §3, RFC 8725 §3.2 and §3.5).
 *
 * @module
 */

import type { KeyObject } from 'node:crypto'
import type { TokenAlgorithm } from '../keys.ts'
import { isPair } from '../signature.ts'
import { hasRocaMark } from './roca.ts'

/**
 * Checks that a key is of the kind and the strength that its algorithm needs, and that a private key belongs to the
 * public one it carries.
 *
 * @throws {TypeError} when the key is of another kind.
 * @throws {RangeError} when it is too weak.
 */
export function assertStrong(subject: string, alg: TokenAlgorithm, key: KeyObject): void {
  const found = key.asymmetricKeyType ?? 'a secret'
  if (found !== KEY_TYPES[alg]) {
    throw new TypeError(
      `Cannot ${subject} does not fit ${alg}: it takes ${KEY_NAMES[alg]}, received ${found}`,
    )
  }
  const { namedCurve, modulusLength = 0, publicExponent = 0n } = key.asymmetricKeyDetails ?? {}
  if (alg === 'ES256' && namedCurve !== 'prime256v1') {
    throw new TypeError(`Cannot ${subject} is on the wrong curve: ES256 takes P-256`)
  }
  if (alg === 'HS256' && (key.symmetricKeySize ?? 0) < 32) {
    throw new RangeError(
      `Cannot ${subject} is too short: HS256 takes 32 random bytes or more, from generateKey('HS256')`,
    )
  }
  if (alg === 'RS256' && modulusLength < 2_048) {
    throw new RangeError(
      `Cannot ${subject} is too short: RS256 takes 2048 bits or more, received ${modulusLength}`,
    )
  }
  if (alg === 'RS256' && publicExponent < 65_537n) {
    throw new RangeError(`Cannot ${subject} has a weak public exponent: RS256 takes 65537`)
  }
  if (alg === 'RS256' && hasRocaMark(modulusOf(key))) {
    throw new RangeError(
      `Cannot ${subject} was made by a broken library and can be factored (CVE-2017-15361): replace it`,
    )
  }
  if (key.type === 'private' && !isPair(alg, key)) {
    throw new TypeError(`Cannot ${subject} is damaged: its private part does not belong to its public part`)
  }
}

const KEY_TYPES: Readonly<Record<TokenAlgorithm, string>> = {
  HS256: 'a secret',
  ES256: 'ec',
  EdDSA: 'ed25519',
  RS256: 'rsa',
}

const KEY_NAMES: Readonly<Record<TokenAlgorithm, string>> = {
  HS256: "a secret (JWK with kty 'oct')",
  ES256: 'an EC key on P-256',
  EdDSA: 'an Ed25519 key',
  RS256: 'an RSA key',
}

function modulusOf(key: KeyObject): bigint {
  const { n = '' } = key.export({ format: 'jwk' })
  return BigInt(`0x${Buffer.from(n, 'base64url').toString('hex')}`)
}
