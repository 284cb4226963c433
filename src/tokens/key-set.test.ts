import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import {
  createKeySet,
  createTokens,
  generateKey,
  importPem,
  type RevocationStatus,
  type TokenAlgorithm,
  type TokenJwk,
  type TokenKey,
} from './index.ts'
import { hasRocaMark } from './keys/roca.ts'

const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }
const HOUR = 3_600_000

function createTrial() {
  let time = Date.UTC(2026, 0, 1)
  const now = () => time
  const keys = createKeySet([generateKey('ES256', { kid: 'k-1' })], { now })
  let status: RevocationStatus = 'valid'
  const tokens = createTokens({ ...SETUP, keys, now, revocations: { check: () => status } })
  return {
    keys,
    tokens,
    elapse: (milliseconds: number) => (time += milliseconds),
    setStatus: (next: RevocationStatus) => (status = next),
  }
}

function toPublic({ kid, alg, kty, crv, x, y, n, e }: TokenJwk): TokenJwk {
  return { kid, alg, kty, ...(n === undefined ? { crv, x, y } : { n, e }) }
}

describe('createKeySet()', () => {
  it('rotates without refusing a token that is still good', () => {
    let time = 0
    const now = () => time
    const keys = createKeySet([generateKey('EdDSA', { kid: 'k-1' })], {
      now,
      rotateEvery: '1h',
      announceFor: '10m',
      overlap: '6m',
    })
    const tokens = createTokens({ ...SETUP, keys, now })
    const living: { token: string; until: number }[] = []
    const signers = new Set<string>()
    let refused = 0

    for (; time < 5 * HOUR; time += 60_000) {
      keys.rotate()
      signers.add(keys.active().signing?.kid ?? '')
      living.push({ token: tokens.issue({ sub: 'u-1' }), until: time + 300_000 })
      if ((living[0]?.until ?? 0) <= time) living.shift()
      refused += living.filter(({ token }) => !tokens.verify(token).ok).length
    }

    expect(refused).toBe(0)
    expect(signers.size).toBe(5)
    expect(keys.keys().some(({ kid }) => kid === 'k-1')).toBe(false)
  })

  it('announces, promotes, retires and drops a key in its time', () => {
    const { keys, elapse } = createTrial()
    const states = () => keys.keys().map(({ state }) => state)
    const seen: string[][] = [states()]

    for (const wait of [30 * 24 * HOUR, HOUR - 1, 1, HOUR, HOUR]) {
      elapse(wait)
      keys.rotate()
      seen.push(states())
    }

    expect(seen).toEqual([
      ['signing'],
      ['signing', 'announced'],
      ['signing', 'announced'],
      ['verify-only', 'signing'],
      ['retired', 'signing'],
      ['signing'],
    ])
  })

  it('accepts tokens of an announced key, which another server may sign with already', () => {
    const { keys, tokens, elapse } = createTrial()
    const jwk = generateKey('ES256', { kid: 'k-2' })
    keys.announce(jwk)
    const ahead = createTokens({ ...SETUP, keys: [jwk], now: () => elapse(0) })

    expect(tokens.verify(ahead.issue({ sub: 'u-1' })).ok).toBe(true)
  })

  it('refuses a retired key at once, remembered or not', () => {
    const { keys, tokens } = createTrial()
    const token = tokens.issue({ sub: 'u-1' })
    tokens.verify(token)
    keys.announce(generateKey('ES256', { kid: 'k-2' }))
    keys.promote('k-2')
    const overlapping = tokens.verify(token)

    keys.retire('k-1')

    expect(overlapping.ok).toBe(true)
    expect(tokens.verify(token)).toEqual({ ok: false, reason: 'unknown-key' })
  })

  it('refuses the old tokens of a name that another key has taken', () => {
    const { keys, tokens } = createTrial()
    const token = tokens.issue({ sub: 'u-1' })
    tokens.verify(token)

    keys.replace([generateKey('ES256', { kid: 'k-1' })])

    expect(tokens.verify(token)).toEqual({ ok: false, reason: 'bad-signature' })
  })

  it('forgets the private part of a key that no longer signs', () => {
    const { keys } = createTrial()
    keys.announce(generateKey('EdDSA', { kid: 'k-2' }))

    keys.promote('k-2')

    expect(keys.export().map(({ kid, state, jwk }) => [kid, state, 'd' in jwk])).toEqual([
      ['k-1', 'verify-only', false],
      ['k-2', 'signing', true],
    ])
  })

  it('continues from what it exported, as JSON', () => {
    const { keys, tokens, elapse } = createTrial()
    const token = tokens.issue({ sub: 'u-1' })
    keys.announce(generateKey('RS256', { kid: 'k-2' }))

    const copy = createKeySet(JSON.parse(JSON.stringify(keys.export())))

    expect(copy.keys()).toEqual(keys.keys())
    expect(createTokens({ ...SETUP, keys: copy, now: () => elapse(0) }).verify(token).ok).toBe(true)
  })

  it('publishes public members only, and no retired key', () => {
    const { keys } = createTrial()
    for (const alg of ['EdDSA', 'RS256'] as const) keys.announce(generateKey(alg, { kid: alg }))
    keys.promote('EdDSA')
    keys.retire('k-1')

    const { keys: published } = keys.jwks()

    expect(published.map(({ kid }) => kid)).toEqual(['EdDSA', 'RS256'])
    expect(new Set(published.flatMap((key) => Object.keys(key)))).toEqual(
      new Set(['kty', 'crv', 'x', 'n', 'e', 'kid', 'alg', 'use']),
    )
  })

  it('never publishes a secret', () => {
    expect(createKeySet([generateKey('HS256')]).jwks()).toEqual({ keys: [] })
  })

  it('changes nothing when the keys that replace it are unfit', () => {
    const { keys, tokens } = createTrial()
    const before = keys.keys()

    expect(() => keys.replace([])).toThrow(TypeError)
    expect(() => keys.announce(generateKey('HS256'))).toThrow(/mixed/)
    expect(() => keys.announce(generateKey('ES256', { kid: 'k-1' }))).toThrow(/same kid/)
    expect(() => keys.promote('k-1')).toThrow(RangeError)
    expect(() => keys.retire('k-1')).toThrow(RangeError)
    expect(keys.keys()).toEqual(before)
    expect(tokens.verify(tokens.issue({ sub: 'u-1' })).ok).toBe(true)
  })

  it('is wanted to overlap by the lifetime of a token', () => {
    const keys = createKeySet([generateKey('ES256')], { overlap: '5m' })

    expect(() => createTokens({ ...SETUP, keys, lifetime: '6m' })).toThrow(RangeError)
  })
})

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

describe('a remembered token', () => {
  it('is refused as soon as it is revoked, and while nobody can tell', () => {
    const { tokens, setStatus } = createTrial()
    const token = tokens.issue({ sub: 'u-1', sid: 's-1' })
    const answers = [tokens.verify(token)]

    for (const status of ['revoked', 'unknown', 'valid'] as const) {
      setStatus(status)
      answers.push(tokens.verify(token))
    }

    expect(answers.map((answer) => (answer.ok ? 'ok' : answer.reason))).toEqual([
      'ok',
      'revoked',
      'revocation-unknown',
      'ok',
    ])
  })

  it('has claims that nobody can change', () => {
    const { tokens } = createTrial()
    const token = tokens.issue({ sub: 'u-1', roles: ['reader', { of: 'a' }] })
    const first = tokens.verify(token)
    if (!first.ok) throw new Error('The token must be good')
    const roles = first.claims['roles'] as [string, { of: string }]

    expect(() => Object.assign(first.claims, { sub: 'admin' })).toThrow(TypeError)
    expect(() => roles.push('admin')).toThrow(TypeError)
    expect(() => (roles[1].of = 'b')).toThrow(TypeError)
    expect(tokens.verify(token)).toMatchObject({ claims: { sub: 'u-1', roles: ['reader', { of: 'a' }] } })
  })

  it('expires, and is not yet valid when the clock goes back', () => {
    const { tokens, elapse } = createTrial()
    const token = tokens.issue({ sub: 'u-1' })
    tokens.verify(token)

    elapse(-5_001)
    const early = tokens.verify(token)
    elapse(305_001)
    const late = tokens.verify(token)

    expect(early).toEqual({ ok: false, reason: 'not-yet-valid' })
    expect(late).toEqual({ ok: false, reason: 'expired' })
  })
})
