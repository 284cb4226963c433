import { randomBytes } from 'node:crypto'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  createMemoryRevocationLog,
  createRefreshTokens,
  createRevocations,
  createTokens,
  generateKey,
} from 'coatcheck/tokens'
import { describe, expect, it, onTestFinished } from 'vitest'
import { startShop } from '../testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }

async function startTokenShop() {
  const revocations = createRevocations(createMemoryRevocationLog())
  const refresh = createRefreshTokens(createMemoryStore(), { keys: [randomBytes(32)], revocations })
  onTestFinished(async () => {
    refresh.close()
    await revocations.close()
  })
  await revocations.ready
  const keys = [generateKey('ES256')]
  const tokens = createTokens({ issuer: 'urn:shop', audience: 'urn:shop', keys, revocations, refresh })
  return { ...(await startShop({ tokens })), tokens, revocations }
}

describe('createTokenRoutes()', () => {
  it('exchanges a login for tokens, which end with it', async () => {
    const { open, tokens } = await startTokenShop()
    const browser = open()
    await browser.post('/register', ada)

    const { accessToken } = (await (await browser.post('/token')).json()) as { accessToken: string }
    const before = tokens.verify(accessToken).ok
    await browser.post('/logout')

    expect(before).toBe(true)
    expect(tokens.verify(accessToken)).toEqual({ ok: false, reason: 'revoked' })
  })

  it('ends a session whose tokens were denied because one was stolen', async () => {
    const { open, tokens, revocations } = await startTokenShop()
    const browser = open()
    await browser.post('/register', ada)
    const { accessToken } = (await (await browser.post('/token')).json()) as { accessToken: string }
    const answer = tokens.verify(accessToken)

    await revocations.revokeSession(answer.ok ? (answer.claims.sid ?? '') : '')
    const again = await browser.post('/token')
    const me = await browser.get('/me')

    expect([again.status, me.status]).toEqual([401, 401])
  })
})
