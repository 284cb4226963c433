import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createTokens,
  generateKey,
  importPem,
  type TokenAlgorithm,
  type TokenJwk,
  type TokenKey,
} from './index.ts'
import { hasRocaMark } from './keys/roca.ts'

const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }

function toPublic({ kid, alg, kty, crv, x, y, n, e }: TokenJwk): TokenJwk {
  return { kid, alg, kty, ...(n === undefined ? { crv, x, y } : { n, e }) }
}

describe('keys that do not fit', () => {
  const es256 = generateKey('ES256', { kid: 'k-1' })
  const hs256 = generateKey('HS256', { kid: 'k-2' })
  const pair = (type: 'ec' | 'rsa' | 'rsa-pss', options: object): KeyObject =>
    (generateKeyPairSync as (type: string, options: object) => { privateKey: KeyObject })(type, options)
      .privateKey
  const named = (alg: TokenAlgorithm, key: KeyObject): TokenKey => ({ kid: 'k', alg, key })

  it.each<[string, readonly unknown[], typeof TypeError | typeof RangeError, RegExp]>([
    ['no key', [], TypeError, /without a key/],
    ['a text', ['secret'], TypeError, /JWK/],
    ['a bare KeyObject', [pair('ec', { namedCurve: 'P-256' })], TypeError, /kid, alg, key/],
    ['no kid', [{ ...es256, kid: undefined }], TypeError, /kid/],
    ['a kid beyond ASCII', [{ ...es256, kid: 'é' }], TypeError, /kid/],
    ['no alg', [{ ...es256, alg: undefined }], TypeError, /alg/],
    ['another alg', [{ ...es256, alg: 'ES384' }], TypeError, /alg/],
    ['two keys of a name', [es256, toPublic(es256)], TypeError, /same kid/],
    ['a secret beside a pair', [es256, hs256], TypeError, /mixed/],
    [
      'a short secret',
      [{ kty: 'oct', k: 'A'.repeat(42), kid: 'k', alg: 'HS256' }],
      RangeError,
      /32 random bytes/,
    ],
    [
      'a secret in base64',
      [{ kty: 'oct', k: `${'A'.repeat(43)}=`, kid: 'k', alg: 'HS256' }],
      TypeError,
      /valid JWK/,
    ],
    ['RSA of 1,024 bits', [named('RS256', pair('rsa', { modulusLength: 1_024 }))], RangeError, /2048/],
    [
      'RSA with exponent 3',
      [named('RS256', pair('rsa', { modulusLength: 2_048, publicExponent: 3 }))],
      RangeError,
      /65537/,
    ],
    ['RSA-PSS', [named('RS256', pair('rsa-pss', { modulusLength: 2_048 }))], TypeError, /RSA key/],
    ['the wrong curve', [named('ES256', pair('ec', { namedCurve: 'P-384' }))], TypeError, /P-256/],
    ['an EC key for EdDSA', [{ ...es256, alg: 'EdDSA' }], TypeError, /Ed25519/],
    ['a public key as a secret', [{ ...toPublic(es256), alg: 'HS256' }], TypeError, /HS256/],
    ['a JWK with another point', [{ ...es256, x: generateKey('ES256').x }], TypeError, /valid JWK/],
    [
      'RSA halves of two keys',
      [{ ...generateKey('RS256'), n: generateKey('RS256').n }],
      TypeError,
      /damaged|valid JWK/,
    ],
    ['a key for encryption', [{ ...es256, use: 'enc' }], TypeError, /use/],
    ['a key that may not sign', [{ ...es256, key_ops: ['verify'] }], TypeError, /key_ops/],
    [
      'two signing keys',
      [
        { ...es256, state: 'signing' },
        { ...generateKey('ES256'), state: 'signing' },
      ],
      TypeError,
      /one key signs/,
    ],
    ['a public key that signs', [{ ...toPublic(es256), state: 'signing' }], TypeError, /cannot sign/],
    [
      'a private key in a verifier',
      [{ ...es256, state: 'verify-only' }],
      TypeError,
      /verifier gets no private key/,
    ],
    ['an unknown state', [{ ...es256, state: 'old' }], TypeError, /state/],
  ])('are told: %s', (_title, keys, error, message) => {
    const create = () => createTokens({ ...SETUP, keys: keys as TokenKey[] })

    expect(create).toThrow(error)
    expect(create).toThrow(message)
  })

  it('never shows a key in a message', () => {
    const secret = 'A'.repeat(20)
    const create = () => createTokens({ ...SETUP, keys: [{ kty: 'oct', k: secret, kid: 'k', alg: 'HS256' }] })

    expect(create).toThrow(
      expect.objectContaining({ message: expect.not.stringContaining(secret) as string }) as Error,
    )
  })

  it('include moduli of the broken library', () => {
    // The product of powers of 65537 modulo 3 × 5 × … × 167, as that library makes its primes.
    const product = [
      3n,
      5n,
      7n,
      11n,
      13n,
      17n,
      19n,
      23n,
      29n,
      31n,
      37n,
      41n,
      43n,
      47n,
      53n,
      59n,
      61n,
      67n,
      71n,
      73n,
    ]
      .concat([
        79n,
        83n,
        89n,
        97n,
        101n,
        103n,
        107n,
        109n,
        113n,
        127n,
        131n,
        137n,
        139n,
        149n,
        151n,
        157n,
        163n,
        167n,
      ])
      .reduce((all, prime) => all * prime)
    const sound = BigInt(`0x${Buffer.from(generateKey('RS256').n ?? '', 'base64url').toString('hex')}`)

    const marked = (2n ** 2_047n / product + 1n) * product + 65_537n ** 7n
    const n = Buffer.from(marked.toString(16), 'hex').toString('base64url')
    const create = () =>
      createTokens({ ...SETUP, keys: [{ kty: 'RSA', n, e: 'AQAB', kid: 'k-1', alg: 'RS256' }] })

    expect(create).toThrow(/CVE-2017-15361/)
    expect(hasRocaMark(sound)).toBe(false)
  })
})

describe('importPem()', () => {
  it.each(['ES256', 'EdDSA', 'RS256'] as const)('reads the private and the public key of %s', (alg) => {
    const key = createPrivateKey({ key: { ...generateKey(alg) }, format: 'jwk' })
    const pem = key.export({ type: 'pkcs8', format: 'pem' }).toString()
    const publicPem = createPublicKey(key).export({ type: 'spki', format: 'pem' }).toString()
    const tokens = createTokens({ ...SETUP, keys: [importPem(pem, { kid: 'k-1', alg })] })
    const verifier = createTokens({ ...SETUP, keys: [importPem(publicPem, { kid: 'k-1', alg })] })

    expect(verifier.verify(tokens.issue({ sub: 'u-1' })).ok).toBe(true)
  })

  it('reads an encrypted key with its passphrase only', () => {
    const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const pem = privateKey
      .export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: 'open' })
      .toString()

    expect(importPem(pem, { kid: 'k-1', alg: 'ES256', passphrase: 'open' }).key.type).toBe('private')
    expect(() => importPem(pem, { kid: 'k-1', alg: 'ES256', passphrase: 'shut' })).toThrow(TypeError)
    expect(() => importPem('nonsense', { kid: 'k-1', alg: 'ES256' })).toThrow(TypeError)
  })
})
