import { describe, expect, it, onTestFinished } from 'vitest'
import { createTrial, GRACE, rotateOk } from '../../../test/support/refresh-trial.ts'
import { type IndexedSessionStore, StoreUnavailableError } from '../../stores/store.ts'
import { createRefreshTokens } from '../refresh.ts'

describe('createRefreshTokens() when something fails halfway', () => {
  /** A store whose n-th write from now fails: before it takes effect, or after. */
  function createFlaky() {
    const plan = { countdown: Infinity, isApplied: false }
    const wrap = (store: IndexedSessionStore): IndexedSessionStore => ({
      ...store,
      async write(...call) {
        if (--plan.countdown !== 0) return store.write(...call)
        if (plan.isApplied) await store.write(...call)
        throw new StoreUnavailableError('Cannot write as the test pulled the plug')
      },
    })
    return { plan, wrap }
  }

  it.each([
    ['was stored', true],
    ['was not stored', false],
  ])('goes on where it was when the answer to a step got lost that %s', async (_, isApplied) => {
    const { plan, wrap } = createFlaky()
    const { refresh } = await createTrial({}, wrap)
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    Object.assign(plan, { countdown: 1, isApplied })

    const lost = await refresh.rotate(refreshToken).catch((error: unknown) => error)
    const again = await refresh.rotate(refreshToken)

    expect(lost).toBeInstanceOf(StoreUnavailableError)
    expect(again).toMatchObject({ ok: true })
    expect(await refresh.rotate(again.ok && again.refreshToken)).toMatchObject({ ok: true })
  })

  it('mints nothing more and denies the sid later, when the denial could not be stored', async () => {
    const trial = await createTrial()
    const { elapse, revocations, store, options } = trial
    let isAway = true
    const refresh = createRefreshTokens(store, {
      ...options,
      revocations: {
        ...revocations,
        revokeSession: async (sid) => {
          if (isAway) throw new StoreUnavailableError('Cannot store a revocation')
          await revocations.revokeSession(sid)
        },
      },
    })
    onTestFinished(() => refresh.close())
    const { refreshToken, claims } = await refresh.start({ sub: 'ada' })
    const successor = await rotateOk(refresh, refreshToken)
    elapse(GRACE)

    await expect(refresh.rotate(refreshToken)).rejects.toThrow(StoreUnavailableError)
    await expect(refresh.rotate(successor)).rejects.toThrow(StoreUnavailableError)
    isAway = false

    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: 9e9 })).toBe('valid')
    expect(await refresh.rotate(successor)).toEqual({ ok: false, reason: 'revoked' })
    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: 9e9 })).toBe('revoked')
  })

  it('is completed by another server when the one that began to revoke has died', async () => {
    const trial = await createTrial()
    const { store, options, revocations, refresh } = trial
    const dying = createRefreshTokens(store, {
      ...options,
      timeout: 20,
      revocations: { ...revocations, revokeSession: () => Promise.reject(new Error('killed')) },
    })
    dying.close()
    const { refreshToken, claims } = await dying.start({ sub: 'ada' })
    await expect(dying.revoke(refreshToken)).rejects.toThrow('killed')
    if (!('recover' in refresh)) throw new Error('no index')

    expect(await refresh.recover()).toBe(1)
    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: 9e9 })).toBe('revoked')
    expect(await refresh.recover()).toBe(0)
    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'revoked' })
  })

  it('keeps what is half revoked beyond the end of the login', async () => {
    const trial = await createTrial({ absoluteTimeout: 1_000 })
    const { store, options, revocations, refresh, elapse } = trial
    const dying = createRefreshTokens(store, {
      ...options,
      revocations: { ...revocations, revokeSession: () => Promise.reject(new Error('killed')) },
    })
    dying.close()
    const { refreshToken } = await dying.start({ sub: 'ada' })
    await expect(dying.revoke(refreshToken)).rejects.toThrow('killed')
    if (!('recover' in refresh)) throw new Error('no index')

    elapse(60_000)

    expect(await refresh.recover()).toBe(1)
  })

  it('says yes to a revocation whose last note could not be written', async () => {
    const { plan, wrap } = createFlaky()
    const { refresh, revocations } = await createTrial({}, wrap)
    const { refreshToken, claims } = await refresh.start({ sub: 'ada' })
    Object.assign(plan, { countdown: 2, isApplied: false })

    expect(await refresh.revoke(refreshToken)).toBe(true)
    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: 9e9 })).toBe('revoked')
    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'revoked' })
  })
})
