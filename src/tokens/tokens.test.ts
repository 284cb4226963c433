import { describe, expect, it } from 'vitest'
import { createTokens, generateKey, type TokenAlgorithm } from './index.ts'

const ISSUER = 'https://shop.example'
const AUDIENCE = 'https://shop.example/api'

function createTrial(alg: TokenAlgorithm) {
  let time = Date.UTC(2026, 0, 1)
  const tokens = createTokens({
    issuer: ISSUER,
    audience: AUDIENCE,
    keys: [generateKey(alg)],
    now: () => time,
  })
  return { tokens, elapse: (milliseconds: number) => (time += milliseconds) }
}

describe('createTokens()', () => {
  it.each(['HS256', 'ES256', 'EdDSA', 'RS256'] as const)(
    'accepts what it issued with %s until it expires',
    (alg) => {
      const { tokens, elapse } = createTrial(alg)
      const token = tokens.issue({ sub: 'u-1', sid: 's-1', scope: 'cart:write' })

      const answer = tokens.verify(token)
      elapse(299_999)
      const last = tokens.verify(token)
      elapse(1)
      const late = tokens.verify(token)

      expect(answer).toMatchObject({
        ok: true,
        claims: { iss: ISSUER, aud: AUDIENCE, sub: 'u-1', sid: 's-1' },
      })
      expect(last.ok).toBe(true)
      expect(late).toEqual({ ok: false, reason: 'expired' })
    },
  )
})
