/**
 * Signatures that are cut, moved, re-encoded, empty, or somebody else's.
 *
 * @module
 */

import { createSecretKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto'
import type { TokenAlgorithm } from '../../tokens/keys.ts'
import type { TokenClause, TokenTrial } from '../token-contract.ts'
import { claimsOf, encode, refused, segmentsOf, signWith, tokenWith } from './forgery.ts'

function resign(trial: TokenTrial, change: (signature: Buffer) => Buffer): string {
  const [header, payload, signature] = segmentsOf(trial)
  return `${header}.${payload}.${encode(change(Buffer.from(signature, 'base64url')))}`
}

function flip(signature: Buffer, index: number): Buffer {
  const changed = Buffer.from(signature)
  changed[index] = (changed[index] as number) ^ 1
  return changed
}

/** Orders of the groups, big-endian: a signature holds numbers below them. */
const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n
const ED25519_ORDER = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn

function toBytes(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, '0'), 'hex')
}

/** Adds the order to the second half: the same signature, to whoever forgets to check the range (RFC 8032 §5.1.7). */
function addOrder(signature: Buffer): Buffer {
  const scalar = BigInt(`0x${Buffer.from(signature.subarray(32)).reverse().toString('hex')}`)
  return Buffer.concat([signature.subarray(0, 32), toBytes(scalar + ED25519_ORDER).reverse()])
}

function foreignKey(alg: TokenAlgorithm): KeyObject {
  if (alg === 'HS256') return createSecretKey(Buffer.alloc(32, 7))
  if (alg === 'ES256') return generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
  if (alg === 'EdDSA') return generateKeyPairSync('ed25519').privateKey
  return generateKeyPairSync('rsa', { modulusLength: 2_048 }).privateKey
}

const half = (value: number) => Buffer.alloc(32, value)

/** Rows about signatures. */
export const signatureClauses: readonly TokenClause[] = [
  refused('an empty signature', (trial) => resign(trial, () => Buffer.alloc(0))),
  refused('a signature without its last byte', (trial) =>
    resign(trial, (signature) => signature.subarray(0, -1)),
  ),
  refused('a signature without its first byte', (trial) =>
    resign(trial, (signature) => signature.subarray(1)),
  ),
  refused('half of a signature', (trial) =>
    resign(trial, (signature) => signature.subarray(0, signature.length / 2)),
  ),
  refused('one byte of a signature', (trial) => resign(trial, (signature) => signature.subarray(0, 1))),
  refused('a signature and a zero', (trial) =>
    resign(trial, (signature) => Buffer.concat([signature, Buffer.alloc(1)])),
  ),
  refused('a zero and a signature', (trial) =>
    resign(trial, (signature) => Buffer.concat([Buffer.alloc(1), signature])),
  ),
  refused('a signature twice', (trial) =>
    resign(trial, (signature) => Buffer.concat([signature, signature])),
  ),
  refused('a signature with its first bit changed', (trial) =>
    resign(trial, (signature) => flip(signature, 0)),
  ),
  refused('a signature with its last bit changed', (trial) =>
    resign(trial, (signature) => flip(signature, signature.length - 1)),
  ),
  refused('a signature backwards', (trial) => resign(trial, (signature) => Buffer.from(signature).reverse())),
  refused('a signature of zeros', (trial) => resign(trial, (signature) => Buffer.alloc(signature.length))),
  refused('a signature of ones', (trial) =>
    resign(trial, (signature) => Buffer.alloc(signature.length, 0xff)),
  ),
  refused('a signature in hex', (trial) =>
    resign(trial, (signature) => Buffer.from(signature.toString('hex'))),
  ),
  refused('a signature encoded twice', (trial) =>
    resign(trial, (signature) => Buffer.from(encode(signature))),
  ),
  refused('the signature of another token', (trial) => {
    const [header, payload] = segmentsOf(trial)
    return `${header}.${payload}.${tokenWith(trial, { sub: 'u-2' }).split('.')[2]}`
  }),
  refused('the payload of another token', (trial) => {
    const [header, , signature] = segmentsOf(trial)
    return `${header}.${encode({ ...claimsOf(trial), sub: 'admin' })}.${signature}`
  }),
  refused('a signature of the payload alone', (trial) => {
    const [header, payload] = segmentsOf(trial)
    return `${header}.${payload}.${encode(signWith(trial.alg, trial.key, payload))}`
  }),
  refused('a signature of the decoded payload', (trial) => {
    const [header, payload] = segmentsOf(trial)
    return `${header}.${payload}.${encode(signWith(trial.alg, trial.key, JSON.stringify(claimsOf(trial))))}`
  }),
  refused('a signature by another key of the same name', (trial) => {
    const [header, payload] = segmentsOf(trial)
    return `${header}.${payload}.${encode(signWith(trial.alg, foreignKey(trial.alg), `${header}.${payload}`))}`
  }),
  refused(
    'a signature in DER',
    (trial) => {
      const [header, payload] = segmentsOf(trial)
      return `${header}.${payload}.${encode(sign('sha256', Buffer.from(`${header}.${payload}`), trial.key))}`
    },
    ['ES256'],
  ),
  refused(
    'r = 0',
    (trial) => resign(trial, (signature) => Buffer.concat([half(0), signature.subarray(32)])),
    ['ES256'],
  ),
  refused(
    's = 0',
    (trial) => resign(trial, (signature) => Buffer.concat([signature.subarray(0, 32), half(0)])),
    ['ES256'],
  ),
  refused('r = 1 and s = 1', (trial) => resign(trial, () => Buffer.concat([toBytes(1n), toBytes(1n)])), [
    'ES256',
  ]),
  refused(
    'r = n',
    (trial) => resign(trial, (signature) => Buffer.concat([toBytes(P256_ORDER), signature.subarray(32)])),
    ['ES256'],
  ),
  refused(
    's = n',
    (trial) => resign(trial, (signature) => Buffer.concat([signature.subarray(0, 32), toBytes(P256_ORDER)])),
    ['ES256'],
  ),
  refused(
    'r and s exchanged',
    (trial) =>
      resign(trial, (signature) => Buffer.concat([signature.subarray(32), signature.subarray(0, 32)])),
    ['ES256'],
  ),
  refused('a scalar beyond the order', (trial) => resign(trial, addOrder), ['EdDSA']),
]
