import { createHmac, createSecretKey } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  createTokens,
  generateKey,
  type RevocationCheck,
  type TokenAlgorithm,
  type TokenClaims,
  type Tokens,
  type TokensOptions,
} from './index.ts'
import { createMac } from './hmac.ts'
import { parseStrictObject } from './strict-json.ts'

const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }
const ALGORITHMS = ['HS256', 'ES256', 'EdDSA', 'RS256'] as const

function createTrial(alg: TokenAlgorithm, options: Partial<TokensOptions> = {}) {
  let time = Date.UTC(2026, 0, 1)
  const tokens = createTokens({ ...SETUP, keys: [generateKey(alg)], now: () => time, ...options })
  return { tokens, now: () => time, elapse: (milliseconds: number) => (time += milliseconds) }
}

function headerOf(token: string): string {
  return Buffer.from(token.split('.')[0] ?? '', 'base64url').toString()
}

function claimsOf(tokens: Tokens, token: string): object {
  const answer = tokens.verify(token)
  if (!answer.ok) throw new Error(`The token must be good, and is ${answer.reason}`)
  return answer.claims
}

describe('createTokens()', () => {
  it.each(ALGORITHMS)('accepts what it issued with %s until it expires', (alg) => {
    const { tokens, elapse } = createTrial(alg)
    const token = tokens.issue({ sub: 'u-1', sid: 's-1', scope: 'cart:write' })

    const answer = tokens.verify(token)
    elapse(299_999)
    const last = tokens.verify(token)
    elapse(1)
    const late = tokens.verify(token)

    expect(answer).toMatchObject({
      ok: true,
      claims: { iss: SETUP.issuer, aud: SETUP.audience, sub: 'u-1', sid: 's-1' },
    })
    expect(last.ok).toBe(true)
    expect(late).toEqual({ ok: false, reason: 'expired' })
  })

  it.each(ALGORITHMS)('writes the header of %s to the byte', (alg) => {
    const tokens = createTokens({ ...SETUP, keys: [generateKey(alg, { kid: 'key "1"' })] })

    expect(headerOf(tokens.issue({ sub: 'u-1' }))).toBe(`{"alg":"${alg}","typ":"at+jwt","kid":"key \\"1\\""}`)
  })

  it('says whom a token is for, when it was issued, and gives it an id of its own', () => {
    const { tokens, now } = createTrial('EdDSA')

    const claims = [tokens.issue({ sub: 'u-1' }), tokens.issue({ sub: 'u-1' })].map((token) =>
      claimsOf(tokens, token),
    )

    expect(claims[0]).toEqual({
      sub: 'u-1',
      iss: SETUP.issuer,
      aud: SETUP.audience,
      iat: now() / 1_000,
      exp: now() / 1_000 + 300,
      jti: expect.stringMatching(/^[\w-]{22}$/) as string,
    })
    expect(claims[0]).not.toEqual(claims[1])
  })

  it('never lives longer than its lifetime, whatever the fraction of a second', () => {
    const { tokens, elapse } = createTrial('HS256', { lifetime: 1_500 })
    elapse(999)
    const token = tokens.issue({ sub: 'u-1' })

    const before = tokens.verify(token).ok
    elapse(1_500)
    const after = tokens.verify(token).ok

    expect([before, after]).toEqual([true, false])
  })

  it('issues for another audience, which it does not accept itself', () => {
    const { tokens, now } = createTrial('HS256')
    const other = createTrial('ES256')
    const token = other.tokens.issue({ sub: 'u-1' }, { audience: 'https://stock.example', lifetime: '1m' })
    const { keys } = other.tokens.jwks()
    const stock = createTokens({ ...SETUP, audience: 'https://stock.example', keys, now })

    expect(other.tokens.verify(token)).toEqual({ ok: false, reason: 'wrong-audience' })
    expect(stock.verify(token)).toMatchObject({ ok: true, claims: { exp: now() / 1_000 + 60 } })
    expect(tokens.verify(token)).toEqual({ ok: false, reason: 'unknown-key' })
  })

  it.each([
    ['no sub', {}, TypeError],
    ['an empty sub', { sub: '' }, TypeError],
    ['a number as sub', { sub: 1 }, TypeError],
    ['a number as sid', { sub: 'u-1', sid: 1 }, TypeError],
    ['a list as scope', { sub: 'u-1', scope: ['a'] }, TypeError],
    ['half a character', { sub: '\ud800' }, TypeError],
    ['an issuer', { sub: 'u-1', iss: 'https://evil.example' }, TypeError],
    ['an audience', { sub: 'u-1', aud: 'https://else.example' }, TypeError],
    ['an expiry', { sub: 'u-1', exp: 9_999_999_999 }, TypeError],
    ['an instant of issue', { sub: 'u-1', iat: 1 }, TypeError],
    ['__proto__', JSON.parse('{"sub":"u-1","a":{"__proto__":{}}}'), TypeError],
    ['more than it would read', { sub: 'u-1', groups: 'g'.repeat(8_192) }, RangeError],
  ])('does not issue a token with %s', (_title, claims, error) => {
    const { tokens } = createTrial('HS256')

    expect(() => tokens.issue(claims as TokenClaims)).toThrow(error)
  })

  it.each([
    ['issuer', { issuer: '' }, TypeError],
    ['audience', { audience: undefined }, TypeError],
    ['lifetime', { lifetime: 999 }, RangeError],
    ['lifetime', { lifetime: 'soon' }, TypeError],
    ['cacheSize', { cacheSize: -1 }, RangeError],
    ['maxLength', { maxLength: Number.NaN }, RangeError],
  ])('names %s when it does not fit', (option, options, error) => {
    const create = () => createTrial('HS256', options as Partial<TokensOptions>)

    expect(create).toThrow(error)
    expect(create).toThrow(option)
  })

  it('does not issue a token that would live longer than its keys are kept', () => {
    const { tokens } = createTrial('HS256')

    expect(() => tokens.issue({ sub: 'u-1' }, { lifetime: '6m' })).toThrow(RangeError)
  })

  it('refuses while nobody can tell of revocations, and says so', () => {
    const revocations: RevocationCheck = { check: () => 'unknown' }
    const { tokens } = createTrial('HS256', { revocations })

    const answer = tokens.verify(tokens.issue({ sub: 'u-1' }))

    expect(answer).toEqual({ ok: false, reason: 'revocation-unknown' })
  })

  it('remembers no more tokens than it is told, and each as long as it is used', () => {
    const { tokens } = createTrial('HS256', { cacheSize: 4 })
    const issued = Array.from({ length: 50 }, (_, index) => tokens.issue({ sub: `u-${index}` }))
    const isSame = (token: string) => claimsOf(tokens, token) === claimsOf(tokens, token)

    const first = claimsOf(tokens, issued[0] ?? '')
    const used = issued.map((token) => isSame(token) && claimsOf(tokens, issued[0] ?? '') === first)
    for (const token of issued.slice(1)) tokens.verify(token)

    expect(used.every(Boolean)).toBe(true)
    expect(claimsOf(tokens, issued[0] ?? '')).not.toBe(first)
  })

  it('gives back the claims it was given', () => {
    const { tokens } = createTrial('EdDSA')
    const id = fc.string({ unit: 'binary', minLength: 1, maxLength: 40 })
    const claims = fc.record({ sub: id, sid: id, custom: fc.jsonValue({ maxDepth: 3 }) })
    const hasProto = (value: unknown) => JSON.stringify(value).includes('__proto__')
    const isWhole = (value: unknown) => !/\\ud[89a-f]/.test(JSON.stringify(value))

    fc.assert(
      fc.property(
        claims.filter((value) => !hasProto(value) && isWhole(value)),
        (value) => {
          expect(claimsOf(tokens, tokens.issue(value))).toMatchObject(JSON.parse(JSON.stringify(value)))
        },
      ),
      { numRuns: 300 },
    )
  })

  it('throws on no input', () => {
    const { tokens } = createTrial('ES256')

    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.string({ unit: 'binary' })), (input) => {
        expect(tokens.verify(input).ok).toBe(false)
      }),
    )
  })
})

describe('createMac()', () => {
  it('is HMAC-SHA-256, for secrets and inputs of every length', () => {
    const bytes = (maxLength: number) =>
      fc.uint8Array({ minLength: 1, maxLength }).map((array) => Buffer.from(array))

    fc.assert(
      fc.property(bytes(200), bytes(3_000), bytes(100), (secret, long, short) => {
        const mac = createMac(createSecretKey(secret))
        for (const input of [short, long, short]) {
          const expected = createHmac('sha256', secret).update(input).digest('base64url')
          expect(mac.sign(input)).toBe(expected)
          expect(mac.verify(input, expected)).toBe(true)
          expect(mac.verify(long, mac.sign(short))).toBe(long.equals(short))
        }
      }),
      { numRuns: 300 },
    )
  })
})

describe('parseStrictObject()', () => {
  const values = fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue({ maxDepth: 4 }))

  it('reads what JSON.parse reads of objects that are written once', () => {
    fc.assert(
      fc.property(values, (value) => {
        const text = JSON.stringify(value)
        const isPlain = !text.includes('__proto__') && !/\\ud[89a-f]/.test(text)
        fc.pre(isPlain)

        expect(parseStrictObject(Buffer.from(text))).toEqual(JSON.parse(text))
      }),
    )
  })

  it('refuses a member that comes twice', () => {
    fc.assert(
      fc.property(values, fc.string({ unit: 'grapheme-ascii' }), (value, name) => {
        const text = JSON.stringify({ ...value, [name]: 1 })

        expect(
          parseStrictObject(Buffer.from(text.replace('{', () => `{${JSON.stringify(name)}:0,`))),
        ).toBeUndefined()
      }),
    )
  })
})
