/**
 * Signatures of JWS (RFC 7518 §3), made and checked by `node:crypto`.
 *
 * A key is prepared once; what is prepared works on bytes and throws on none.
 *
 * @module
 */

import {
  createPublicKey,
  createVerify,
  type KeyObject,
  sign as signBytes,
  verify as verifyBytes,
} from 'node:crypto'
import { createMac } from './hmac.ts'
import type { TokenAlgorithm } from './keys.ts'
import { decodeSegment } from './strict-json.ts'

/** Signs bytes; the signature is in base64url. */
export type Signer = (input: Buffer) => string

/** Tells whether a signature, in base64url spelled the one way, is of these bytes. */
export type SignatureCheck = (input: Buffer, signature: string) => boolean

/** Length of an ES256 signature: r and s, 32 bytes each (RFC 7518 §3.4). DER, which others write, is never that long. */
const P256_LENGTH = 64

/** Prepares a secret or private key. */
export function prepareSigner(alg: TokenAlgorithm, key: KeyObject): Signer {
  switch (alg) {
    case 'HS256':
      return createMac(key).sign
    case 'ES256': {
      const rawKey = { key, dsaEncoding: 'ieee-p1363' } as const
      return (input) => signBytes('sha256', input, rawKey).toString('base64url')
    }
    case 'EdDSA':
      return (input) => signBytes(null, input, key).toString('base64url')
    case 'RS256':
      return (input) => signBytes('sha256', input, key).toString('base64url')
  }
  return alg satisfies never
}

/** Prepares a secret or public key. */
export function prepareCheck(alg: TokenAlgorithm, key: KeyObject): SignatureCheck {
  switch (alg) {
    case 'HS256':
      return createMac(key).verify
    case 'ES256': {
      const rawKey = { key, dsaEncoding: 'ieee-p1363' } as const
      return onBytes(
        (input, signature) =>
          signature.length === P256_LENGTH &&
          !hasZeroHalf(signature) &&
          verifyBytes('sha256', input, rawKey, signature),
      )
    }
    case 'EdDSA':
      return onBytes((input, signature) => verifyBytes(null, input, key, signature))
    case 'RS256':
      // 2 % faster than the one-shot function, with a key that is ready.
      return onBytes((input, signature) => createVerify('sha256').update(input).verify(key, signature))
  }
  return alg satisfies never
}

function onBytes(verify: (input: Buffer, signature: Buffer) => boolean): SignatureCheck {
  return (input, text) => {
    const signature = decodeSegment(text)
    return signature !== undefined && verify(input, signature)
  }
}

/** OpenSSL refuses r = 0 and s = 0 too; Java once did not (CVE-2022-21449). */
function hasZeroHalf(signature: Buffer): boolean {
  return isZero(signature, 0) || isZero(signature, P256_LENGTH / 2)
}

function isZero(signature: Buffer, start: number): boolean {
  for (let index = start; index < start + P256_LENGTH / 2; index++) if (signature[index] !== 0) return false
  return true
}

/** Tells whether a private key belongs to the public one it carries: OpenSSL takes the members of a JWK on trust. */
export function isPair(alg: TokenAlgorithm, privateKey: KeyObject): boolean {
  const sample = Buffer.from('coatcheck')
  try {
    return prepareCheck(alg, createPublicKey(privateKey))(sample, prepareSigner(alg, privateKey)(sample))
  } catch {
    return false
  }
}
