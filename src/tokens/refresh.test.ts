import { describe, expect, expectTypeOf, it } from 'vitest'
import { createTrial, GRACE, KEY, rotateOk, START } from '../../test/support/refresh-trial.ts'
import { type IndexedSessionStore, type SessionStore, StoreUnavailableError } from '../stores/store.ts'
import { createRefreshTokens, type RefreshEvent, type RefreshOptions } from './refresh.ts'

const DAY = 86_400_000

const namesOf = (events: readonly RefreshEvent[]) => events.map(({ type }) => type)

describe('createRefreshTokens()', () => {
  it('takes one token for the next, with the claims of the login', async () => {
    const { refresh } = await createTrial()
    const login = await refresh.start({ sub: 'ada', sid: 's1', scope: 'read write', clientId: 'web' })

    const result = await refresh.rotate(login.refreshToken)

    expect(result).toMatchObject({
      ok: true,
      claims: { sub: 'ada', sid: 's1', scope: 'read write', client_id: 'web' },
    })
    expect(result.ok && result.refreshToken).not.toBe(login.refreshToken)
    expect(await refresh.rotate(result.ok && result.refreshToken)).toMatchObject({ ok: true })
  })

  it('gives parallel presenters the same successor, for one step', async () => {
    const { refresh, writes, events } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })

    const results = await Promise.all(Array.from({ length: 20 }, () => refresh.rotate(refreshToken)))

    expect(new Set(results.map((result) => result.ok && result.refreshToken)).size).toBe(1)
    expect(results[0]).toMatchObject({ ok: true })
    expect(namesOf(events).filter((type) => type === 'rotated')).toHaveLength(1)
    expect(writes.count).toBeLessThanOrEqual(20)
  })

  it('repeats an answer that was lost, without a write, until the grace is over', async () => {
    const { refresh, writes, elapse } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const successor = await rotateOk(refresh, refreshToken)
    writes.count = 0

    elapse(GRACE - 1)
    const repeated = await refresh.rotate(refreshToken)

    expect(repeated).toMatchObject({ ok: true, refreshToken: successor })
    expect(writes.count).toBe(0)
  })

  it('does not extend the grace when it is used', async () => {
    const { refresh, elapse } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    await rotateOk(refresh, refreshToken)
    elapse(GRACE - 1)
    await rotateOk(refresh, refreshToken)

    elapse(1)

    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'reused' })
  })

  it('ends the login of a token that was used up, and denies its access tokens, before it answers', async () => {
    const { refresh, revocations, elapse, events } = await createTrial()
    const { refreshToken, claims } = await refresh.start({ sub: 'ada' })
    const successor = await rotateOk(refresh, refreshToken)
    elapse(GRACE)

    const result = await refresh.rotate(refreshToken)

    expect(result).toEqual({ ok: false, reason: 'reused' })
    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: START / 1000 + 100 })).toBe('revoked')
    expect(await refresh.rotate(successor)).toEqual({ ok: false, reason: 'revoked' })
    expect(events.filter(({ type }) => type === 'reuse')).toEqual([
      { type: 'reuse', handle: expect.any(String) as string, sub: 'ada', sid: claims.sid },
    ])
  })

  it('finds a thief who rotated first', async () => {
    const { refresh, elapse } = await createTrial()
    const { refreshToken: stolen } = await refresh.start({ sub: 'ada' })
    const thief = await rotateOk(refresh, stolen)
    elapse(5 * 60_000)

    const victim = await refresh.rotate(stolen)

    expect(victim).toEqual({ ok: false, reason: 'reused' })
    expect(await refresh.rotate(thief)).toEqual({ ok: false, reason: 'revoked' })
  })

  it('ends an unused login at its idle end, and a used one at its absolute end', async () => {
    const { refresh, elapse } = await createTrial({ idleTimeout: DAY, absoluteTimeout: 3 * DAY })
    const idle = await refresh.start({ sub: 'ada' })
    const used = await refresh.start({ sub: 'ada' })
    elapse(DAY - 1)
    const second = await rotateOk(refresh, used.refreshToken)
    elapse(1)

    expect(await refresh.rotate(idle.refreshToken)).toMatchObject({ ok: false })
    elapse(DAY - 2)
    const third = await refresh.rotate(second)
    expect(third).toMatchObject({ ok: true, absoluteExpiresAt: START + 3 * DAY })
    elapse(DAY - 1)
    const fourth = await refresh.rotate(third.ok && third.refreshToken)
    expect(fourth).toMatchObject({ ok: true, expiresAt: START + 3 * DAY, absoluteExpiresAt: START + 3 * DAY })
    elapse(3)
    expect(await refresh.rotate(fourth.ok && fourth.refreshToken)).toMatchObject({ ok: false })
  })

  it('refuses an expired login as expired where the store has not dropped it yet', async () => {
    const { refresh, elapse, writes } = await createTrial({ idleTimeout: DAY }, (store) => ({
      ...store,
      create: (key, record) => store.create(key, { ...record, expiresAt: record.expiresAt + DAY }),
    }))
    const { refreshToken } = await refresh.start({ sub: 'ada' })

    elapse(DAY)

    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'expired' })
    expect(writes.count).toBe(0)
  })

  it('raises an alarm for a good token that nobody was given, and writes nothing', async () => {
    // A store that lost its last writes gives exactly that.
    const { refresh, memory, events, writes } = await createTrial()
    const { refreshToken, handle } = await refresh.start({ sub: 'ada' })
    const before = await memory.read(handle)
    const successor = await rotateOk(refresh, refreshToken)
    const after = await memory.read(handle)
    await memory.write(handle, after!.version, before!)
    writes.count = 0

    expect(await refresh.rotate(successor)).toEqual({ ok: false, reason: 'ahead' })
    expect(namesOf(events)).toContain('alarm')
    expect(writes.count).toBe(0)
    expect(await refresh.rotate(refreshToken)).toMatchObject({ ok: true, refreshToken: successor })
  })

  it('keeps nothing that can be used to log in', async () => {
    const { refresh, memory } = await createTrial()
    const { refreshToken, handle } = await refresh.start({ sub: 'ada' })
    const [family, , mac] = refreshToken.split('.')

    const stored = JSON.stringify(await memory.read(handle))

    expect(stored).not.toContain(family)
    expect(stored).not.toContain(mac)
    expect(stored).not.toContain(KEY.toString('base64url'))
  })

  it('goes by the clock of the store, whatever the clock of the server says', async () => {
    const wild = () => Math.floor(Math.random() * 1e13)
    const { refresh, elapse } = await createTrial({ now: wild, idleTimeout: DAY })
    const login = await refresh.start({ sub: 'ada' })
    elapse(DAY - 1)

    expect(login).toMatchObject({ expiresAt: START + DAY, absoluteExpiresAt: START + 30 * DAY })
    expect(await refresh.rotate(login.refreshToken)).toMatchObject({
      ok: true,
      expiresAt: START + 2 * DAY - 1,
    })
  })

  it('ends a login by any of its tokens, once', async () => {
    const { refresh, revocations } = await createTrial()
    const { refreshToken, claims } = await refresh.start({ sub: 'ada' })
    const successor = await rotateOk(refresh, refreshToken)

    expect(await refresh.revoke(refreshToken)).toBe(true)
    expect(await refresh.revoke(successor)).toBe(false)
    expect(await refresh.revoke('nonsense')).toBe(false)
    expect(await refresh.rotate(successor)).toEqual({ ok: false, reason: 'revoked' })
    expect(revocations.check({ sub: 'ada', sid: claims.sid, iat: 9e9 })).toBe('revoked')
  })

  it('does not end a login by a forged token', async () => {
    const { refresh } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })

    const ended = await refresh.revoke(refreshToken.slice(0, -43) + 'A'.repeat(43))

    expect(ended).toBe(false)
    expect(await refresh.rotate(refreshToken)).toMatchObject({ ok: true })
  })

  it('lists the logins of a user and ends one, or all', async () => {
    const { refresh, elapse } = await createTrial()
    const phone = await refresh.start({ sub: 'ada', sid: 'phone', clientId: 'app' })
    elapse(1_000)
    const laptop = await refresh.start({ sub: 'ada', sid: 'laptop' })
    const other = await refresh.start({ sub: 'bob', sid: 'tablet' })
    if (!('list' in refresh)) throw new Error('no index')

    const listed = await refresh.list('ada')
    const ended = await refresh.revokeSession('ada', 'phone')

    expect(listed).toMatchObject([
      { handle: laptop.handle, sid: 'laptop', clientId: undefined },
      { handle: phone.handle, sid: 'phone', clientId: 'app', startedAt: START },
    ])
    expect(ended).toBe(1)
    expect(await refresh.rotate(phone.refreshToken)).toMatchObject({ ok: false })
    expect(await refresh.revokeUser('ada')).toBe(1)
    expect(await refresh.rotate(laptop.refreshToken)).toMatchObject({ ok: false })
    expect(await refresh.rotate(other.refreshToken)).toMatchObject({ ok: true })
    expect(await refresh.list('ada')).toEqual([])
  })

  it('has no index where the store has none', () => {
    const store = {} as SessionStore
    const options = {} as RefreshOptions

    expectTypeOf(() => createRefreshTokens(store, options)).returns.not.toHaveProperty('list')
    expectTypeOf(() => createRefreshTokens({} as IndexedSessionStore, options)).returns.toHaveProperty('list')
  })

  it('ends a login whose user was revoked, and lets one begin in the same second', async () => {
    const { refresh, revocations } = await createTrial()
    const before = await refresh.start({ sub: 'ada' })
    await revocations.revokeUser('ada')
    const after = await refresh.start({ sub: 'ada' })

    expect(await refresh.rotate(before.refreshToken)).toEqual({ ok: false, reason: 'revoked' })
    expect(await refresh.rotate(after.refreshToken)).toMatchObject({ ok: true })
  })

  it('ends a login whose session was revoked, also for those who repeat', async () => {
    const { refresh, revocations } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada', sid: 's1' })
    await rotateOk(refresh, refreshToken)

    await revocations.revokeSession('s1')

    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'revoked' })
  })

  it('asks whether the user may go on, and ends the login of one who may not', async () => {
    let isDisabled = false
    const { refresh } = await createTrial({ authorize: async ({ sub }) => sub === 'ada' && !isDisabled })
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const successor = await rotateOk(refresh, refreshToken)
    isDisabled = true

    const refused = await refresh.rotate(successor)
    isDisabled = false

    expect(refused).toEqual({ ok: false, reason: 'revoked' })
    expect(await refresh.rotate(successor)).toEqual({ ok: false, reason: 'revoked' })
  })

  it('refuses to rotate while the revocation list may be out of date', async () => {
    const { refresh, revocations } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })

    await revocations.close()

    await expect(refresh.rotate(refreshToken)).rejects.toThrow(StoreUnavailableError)
  })

  it('sets a record that is none aside, and tells it once', async () => {
    const { refresh, memory, events } = await createTrial()
    const { refreshToken, handle } = await refresh.start({ sub: 'ada' })
    const stored = (await memory.read(handle))!
    await memory.write(handle, stored.version, { ...stored, data: '{"a":{}}' })

    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'unknown' })
    expect(await refresh.rotate(refreshToken)).toEqual({ ok: false, reason: 'unknown' })
    expect(namesOf(events).filter((type) => type === 'corrupt')).toHaveLength(1)
  })

  it('says no within the deadline when the store hangs', async () => {
    const { refresh } = await createTrial({ timeout: 20 }, (store) => ({
      ...store,
      read: () => new Promise(() => undefined),
    }))

    const answer = refresh.rotate(`${'a'.repeat(43)}.1.${'a'.repeat(43)}`)

    await expect(answer).rejects.toThrow(
      'Cannot read a token family as the memory store gave no answer in 20 ms; check that it is running',
    )
  })

  it('wants to be told where access tokens are denied', async () => {
    const { store, options } = await createTrial()

    expect(() => createRefreshTokens(store, { ...options, revocations: undefined as never })).toThrow(
      /'access-tokens-outlive-logout' to do without/,
    )
    expect(() => createRefreshTokens(store, { ...options, grace: 0 })).toThrow(RangeError)
    expect(() => createRefreshTokens(store, { ...options, grace: '6m' })).toThrow(RangeError)
    expect(() => createRefreshTokens(store, { ...options, idleTimeout: 0 })).toThrow(RangeError)
  })
})
