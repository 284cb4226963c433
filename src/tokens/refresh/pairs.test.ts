import { randomBytes } from 'node:crypto'
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'
import { createMemoryStore } from '../../stores/memory.ts'
import { generateKey } from '../keys.ts'
import { createRefreshTokens, type RefreshOptions } from '../refresh.ts'
import { createRevocations } from '../revocations.ts'
import { createMemoryRevocationLog } from '../revocations/memory.ts'
import { createTokens, type TokensOptions } from '../tokens.ts'
import type { TokenPairs } from './pairs.ts'

const START = Date.UTC(2026, 0, 1) + 300

async function createTrial(changes: Partial<RefreshOptions> = {}) {
  let time = START
  const now = () => time
  const revocations = createRevocations(createMemoryRevocationLog({ now }), { now })
  await revocations.ready
  const store = createMemoryStore({ now })
  const refresh = createRefreshTokens(store, { keys: [randomBytes(32)], revocations, now, ...changes })
  onTestFinished(async () => {
    refresh.close()
    await revocations.close()
  })
  const base: TokensOptions = {
    issuer: 'https://shop.example',
    audience: 'api',
    keys: [generateKey('EdDSA')],
    revocations,
  }
  const tokens = createTokens({ ...base, refresh })
  return { tokens, base, revocations, elapse: (milliseconds: number) => void (time += milliseconds) }
}

describe('createTokens() with refresh tokens', () => {
  it('gives a pair for a login, and another one for its refresh token', async () => {
    const { tokens } = await createTrial()
    const login = await tokens.login({ sub: 'ada', sid: 's1', scope: 'cart', clientId: 'web' })

    const rotated = await tokens.rotate(login.refreshToken)

    expect(login).toMatchObject({ expiresIn: 300, refreshExpiresAt: START + 7 * 86_400_000 })
    expect(rotated).toMatchObject({ ok: true, expiresIn: 300 })
    expect(tokens.verify(rotated.ok && rotated.accessToken)).toMatchObject({
      ok: true,
      claims: { sub: 'ada', sid: 's1', scope: 'cart', client_id: 'web' },
    })
    expect(await tokens.rotate('nonsense')).toEqual({ ok: false, reason: 'malformed' })
  })

  it('refuses the access tokens of a login that was ended, at once', async () => {
    const { tokens } = await createTrial()
    const { accessToken, refreshToken } = await tokens.login({ sub: 'ada' })

    expect(await tokens.logout(refreshToken)).toBe(true)

    expect(tokens.verify(accessToken)).toMatchObject({ ok: false, reason: 'revoked' })
  })

  it('ends all logins of a user, and lets the next one in within the same second', async () => {
    const { tokens, elapse } = await createTrial()
    const before = [await tokens.login({ sub: 'ada' }), await tokens.login({ sub: 'ada' })]
    const other = await tokens.login({ sub: 'bob' })
    elapse(100)

    await tokens.revokeUser('ada')
    const after = await tokens.login({ sub: 'ada' })

    for (const { accessToken, refreshToken } of before) {
      expect(tokens.verify(accessToken)).toMatchObject({ ok: false, reason: 'revoked' })
      expect(await tokens.rotate(refreshToken)).toMatchObject({ ok: false, reason: 'revoked' })
    }
    expect(tokens.verify(after.accessToken)).toMatchObject({ ok: true })
    expect(await tokens.rotate(after.refreshToken)).toMatchObject({ ok: true })
    expect(tokens.verify(other.accessToken)).toMatchObject({ ok: true })
  })

  it('ends what is tied to a session, also for those who come back much later', async () => {
    const { tokens, elapse } = await createTrial()
    const { accessToken, refreshToken } = await tokens.login({ sub: 'ada', sid: 's1' })
    const other = await tokens.login({ sub: 'ada', sid: 's2' })

    await tokens.revokeSession('s1', 'ada')
    const refused = tokens.verify(accessToken)
    elapse(86_400_000)

    expect(refused).toMatchObject({ ok: false, reason: 'revoked' })
    expect(await tokens.rotate(refreshToken)).toMatchObject({ ok: false })
    expect(await tokens.rotate(other.refreshToken)).toMatchObject({ ok: true })
  })

  it('issues no access token that outlives the login', async () => {
    const { tokens } = await createTrial({ absoluteTimeout: '90s' })

    const { accessToken, expiresIn } = await tokens.login({ sub: 'ada' })

    expect(expiresIn).toBe(90)
    expect(tokens.verify(accessToken)).toMatchObject({
      claims: { exp: Math.floor((START + 90_000) / 1_000) },
    })
  })

  it('has the methods only with refresh tokens, which need a list that revokes', async () => {
    const { base, tokens } = await createTrial()
    const { refresh } = { refresh: tokens } as never as { refresh: never }

    expect(createTokens(base)).not.toHaveProperty('rotate')
    expectTypeOf(createTokens(base)).not.toExtend<TokenPairs>()
    expectTypeOf(tokens).toExtend<TokenPairs>()
    expect(() => createTokens({ ...base, refresh, revocations: { check: () => 'valid' } })).toThrow(
      /pass createRevocations/,
    )
  })
})
