import { describe, expect, it } from 'vitest'
import { createKeySet, createTokens, generateKey } from './index.ts'

const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }
const HOUR = 3_600_000

function createTrial() {
  let time = Date.UTC(2026, 0, 1)
  const now = () => time
  const keys = createKeySet([generateKey('ES256', { kid: 'k-1' })], { now })
  const tokens = createTokens({ ...SETUP, keys, now })
  return { keys, tokens, elapse: (milliseconds: number) => (time += milliseconds) }
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
