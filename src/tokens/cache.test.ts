import { describe, expect, it } from 'vitest'
import { createTokens, generateKey, type RevocationStatus } from './index.ts'

const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }

function createTrial() {
  let time = Date.UTC(2026, 0, 1)
  const now = () => time
  const keys = [generateKey('ES256', { kid: 'k-1' })]
  let status: RevocationStatus = 'valid'
  const tokens = createTokens({ ...SETUP, keys, now, revocations: { check: () => status } })
  return {
    tokens,
    elapse: (milliseconds: number) => (time += milliseconds),
    setStatus: (next: RevocationStatus) => (status = next),
  }
}

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
