/**
 * Signatures of JWS (RFC 7518 §3) by `node:crypto`.
 *
 * @module
 */

import {
  createHmac,
  type KeyObject,
  sign as signBytes,
  timingSafeEqual,
  verify as verifyBytes,
} from 'node:crypto'
import type { TokenAlgorithm } from './keys.ts'

/** Length of an ES256 signature: r and s, 32 bytes each (RFC 7518 §3.4). */
const P256_LENGTH = 64

/** Signs, and tells whether a signature is of these bytes. One of the wrong length is not. */
export interface SignatureScheme {
  sign(key: KeyObject, input: Buffer): Buffer
  verify(key: KeyObject, input: Buffer, signature: Buffer): boolean
}

/** The signature schemes by the name of their algorithm. */
export const signatureSchemes: Readonly<Record<TokenAlgorithm, SignatureScheme>> = {
  HS256: {
    sign: authenticate,
    verify(key, input, signature) {
      const expected = authenticate(key, input)
      return signature.length === expected.length && timingSafeEqual(signature, expected)
    },
  },
  ES256: {
    sign: (key, input) => signBytes('sha256', input, { key, dsaEncoding: 'ieee-p1363' }),
    verify(key, input, signature) {
      if (signature.length !== P256_LENGTH || hasZeroHalf(signature)) return false
      return verifyBytes('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature)
    },
  },
  EdDSA: {
    sign: (key, input) => signBytes(null, input, key),
    verify: (key, input, signature) => verifyBytes(null, input, key, signature),
  },
  RS256: {
    sign: (key, input) => signBytes('sha256', input, key),
    verify: (key, input, signature) => verifyBytes('sha256', input, key, signature),
  },
}

function authenticate(key: KeyObject, input: Buffer): Buffer {
  return createHmac('sha256', key).update(input).digest()
}

/** OpenSSL refuses r = 0 and s = 0 too; Java once did not (CVE-2022-21449). */
function hasZeroHalf(signature: Buffer): boolean {
  return isZero(signature, 0) || isZero(signature, P256_LENGTH / 2)
}

function isZero(signature: Buffer, start: number): boolean {
  for (let index = start; index < start + P256_LENGTH / 2; index++) if (signature[index] !== 0) return false
  return true
}
