import { createPublicKey } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { tokenClauses, tokenContract, type TokenTrial } from '../conformance/token-contract.ts'
import { createTokens, generateKey, type TokenAlgorithm, type TokenJwk, type Tokens } from './index.ts'
import { importKey } from './keys/import-key.ts'

const NOW = Date.UTC(2026, 0, 1)
const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api', now: () => NOW }
const KEYS: Readonly<Record<TokenAlgorithm, TokenJwk>> = {
  HS256: generateKey('HS256', { kid: 'k-1' }),
  ES256: generateKey('ES256', { kid: 'k-1' }),
  EdDSA: generateKey('EdDSA', { kid: 'k-1' }),
  RS256: generateKey('RS256', { kid: 'k-1' }),
}

function createTrial(alg: TokenAlgorithm, tokens: Tokens): TokenTrial {
  const { kid, signing } = importKey('test', KEYS[alg])
  if (!signing) throw new Error('The trial needs a private key')
  return { ...SETUP, now: NOW, alg, kid, key: signing, verify: tokens.verify }
}

describe('verify()', () => {
  for (const alg of Object.keys(KEYS) as TokenAlgorithm[]) {
    describe(alg, () => {
      const tokens = createTokens({ ...SETUP, keys: [KEYS[alg]] })
      const trial = createTrial(alg, tokens)

      it.each(tokenClauses(alg).map((clause) => [`${clause.expect}: ${clause.title}`, clause] as const))(
        '%s',
        (_title, { expect: expected, forge }) => {
          const token = forge(trial)

          const first = tokens.verify(token)
          const second = tokens.verify(token)

          expect(first.ok).toBe(expected === 'accepted')
          expect(second).toEqual(first)
        },
      )
    })
  }

  it('gives the reason of a refusal', () => {
    const tokens = createTokens({ ...SETUP, keys: [KEYS.ES256] })
    const trial = createTrial('ES256', tokens)
    const reasons = new Set(
      tokenClauses('ES256').map(({ forge }) => {
        const answer = tokens.verify(forge(trial))
        return answer.ok ? 'accepted' : answer.reason
      }),
    )

    expect([...reasons].toSorted()).toEqual([
      'accepted',
      'bad-claims',
      'bad-signature',
      'expired',
      'malformed',
      'not-yet-valid',
      'too-long',
      'unknown-key',
      'wrong-audience',
      'wrong-issuer',
    ])
  })

  it('accepts nothing while its clock gives no number', () => {
    const tokens = createTokens({ ...SETUP, keys: [KEYS.ES256], now: () => Number.NaN })

    const answer = tokens.verify(createTokens({ ...SETUP, keys: [KEYS.ES256] }).issue({ sub: 'u-1' }))

    expect(answer).toEqual({ ok: false, reason: 'expired' })
  })

  it('needs nothing but public keys', () => {
    const jwk = createPublicKey({ key: { ...KEYS.ES256 }, format: 'jwk' }).export({ format: 'jwk' })
    const verifier = createTokens({ ...SETUP, keys: [{ ...jwk, kid: 'k-1', alg: 'ES256' } as TokenJwk] })

    const answer = verifier.verify(createTokens({ ...SETUP, keys: [KEYS.ES256] }).issue({ sub: 'u-1' }))

    expect(answer.ok).toBe(true)
    expect(() => verifier.issue({ sub: 'u-1' })).toThrow(/no key signs/)
  })
})

describe('tokenContract', () => {
  it('names every row once', () => {
    const titles = tokenContract.map(({ title }) => title)

    expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
  })
})
