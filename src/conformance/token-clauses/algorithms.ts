/**
 * `none`, and keys that are used with another algorithm than theirs.
 *
 * @module
 */

import { constants, createHmac, createPublicKey, generateKeyPairSync, sign } from 'node:crypto'
import type { TokenAlgorithm } from '../../tokens/keys.ts'
import type { TokenClause, TokenTrial } from '../token-contract.ts'
import { claimsOf, encode, headerOf, KEY_PAIRS, refused, seal, segmentsOf, signWith } from './forgery.ts'

const ALGORITHMS: readonly TokenAlgorithm[] = ['HS256', 'ES256', 'EdDSA', 'RS256']
const NONE = ['none', 'None', 'NONE', 'nOnE', ' none', 'none ', 'none\u0000', 'n\u043ene', '', null]
const OTHERS = [
  'HS256',
  'HS384',
  'HS512',
  'ES256',
  'ES256K',
  'ES384',
  'EdDSA',
  'Ed25519',
  'RS1',
  'RS256',
  'RS512',
  'PS256',
]
const ODD = [
  'es256',
  'hs256',
  ['HS256'],
  ['none'],
  { alg: 'none' },
  0,
  true,
  '__proto__',
  'constructor',
  'toString',
]

function inputWith(trial: TokenTrial, alg: unknown): string {
  return `${encode({ ...headerOf(trial), alg })}.${encode(claimsOf(trial))}`
}

function sealWithAlg(trial: TokenTrial, alg: unknown): string {
  const [header = '', payload = ''] = inputWith(trial, alg).split('.')
  return seal(trial, header, payload)
}

/** Signs with what everybody knows, the public key, as if it were a secret. */
function confuse(
  trial: TokenTrial,
  encodePublic: (key: ReturnType<typeof createPublicKey>) => string | Buffer,
): string {
  const input = inputWith(trial, 'HS256')
  const secret = encodePublic(createPublicKey(trial.key))
  return `${input}.${createHmac('sha256', secret).update(input).digest('base64url')}`
}

/** Rows about algorithms. */
export const algorithmClauses: readonly TokenClause[] = [
  ...NONE.flatMap((alg) => [
    refused(`alg ${JSON.stringify(alg)} without a signature`, (trial) => `${inputWith(trial, alg)}.`),
    refused(`alg ${JSON.stringify(alg)} with a good signature`, (trial) => sealWithAlg(trial, alg)),
  ]),
  refused('no alg without a signature', (trial) => `${inputWith(trial, undefined)}.`),
  refused('no alg with a good signature', (trial) => sealWithAlg(trial, undefined)),
  refused('alg none with two segments', (trial) => inputWith(trial, 'none')),
  ...OTHERS.map((alg) =>
    refused(
      `a good signature that says ${alg} and is of another algorithm`,
      (trial) => sealWithAlg(trial, alg),
      ALGORITHMS.filter((own) => own !== alg),
    ),
  ),
  ...ODD.map((alg) =>
    refused(`a good signature with alg ${JSON.stringify(alg)}`, (trial) => sealWithAlg(trial, alg)),
  ),
  refused(
    'HS256 keyed with the public key as PEM',
    (trial) => confuse(trial, (key) => key.export({ type: 'spki', format: 'pem' })),
    KEY_PAIRS,
  ),
  refused(
    'HS256 keyed with the public key as PEM without its last line break',
    (trial) => confuse(trial, (key) => key.export({ type: 'spki', format: 'pem' }).toString().trimEnd()),
    KEY_PAIRS,
  ),
  refused(
    'HS256 keyed with the public key as DER',
    (trial) => confuse(trial, (key) => key.export({ type: 'spki', format: 'der' })),
    KEY_PAIRS,
  ),
  refused(
    'HS256 keyed with the public key as JWK',
    (trial) => confuse(trial, (key) => JSON.stringify(key.export({ format: 'jwk' }))),
    KEY_PAIRS,
  ),
  refused('HS256 keyed with nothing', (trial) => {
    const input = inputWith(trial, 'HS256')
    return `${input}.${createHmac('sha256', '').update(input).digest('base64url')}`
  }),
  refused(
    'HS384 by the same secret',
    (trial) => {
      const input = inputWith(trial, 'HS384')
      return `${input}.${createHmac('sha384', trial.key).update(input).digest('base64url')}`
    },
    ['HS256'],
  ),
  refused(
    'a signature of a key pair where a secret is used',
    (trial) => {
      const input = inputWith(trial, 'ES256')
      return `${input}.${encode(signWith('ES256', generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey, input))}`
    },
    ['HS256'],
  ),
  refused(
    'PS256 by the same key',
    (trial) => {
      const input = inputWith(trial, 'PS256')
      return `${input}.${encode(pss(trial, input))}`
    },
    ['RS256'],
  ),
  refused(
    'a PSS signature that says RS256',
    (trial) => {
      const input = inputWith(trial, 'RS256')
      return `${input}.${encode(pss(trial, input))}`
    },
    ['RS256'],
  ),
  refused(
    'a signature over SHA-1 that says RS256',
    (trial) => {
      const [header, payload] = segmentsOf(trial)
      return `${header}.${payload}.${encode(sign('sha1', Buffer.from(`${header}.${payload}`), trial.key))}`
    },
    ['RS256'],
  ),
]

function pss(trial: TokenTrial, input: string): Buffer {
  const padding = constants.RSA_PKCS1_PSS_PADDING
  return sign('sha256', Buffer.from(input), { key: trial.key, padding, saltLength: 32 })
}
