import { randomBytes } from 'node:crypto'
import { describe, expect, expectTypeOf, it, onTestFinished } from 'vitest'
import { createMemoryStore } from '../stores/memory.ts'
import { type IndexedSessionStore, type SessionStore, StoreUnavailableError } from '../stores/store.ts'
import { createRefreshTokens, type RefreshEvent, type RefreshOptions, type RefreshTokens } from './refresh.ts'
import { createRevocations } from './revocations.ts'
import { createMemoryRevocationLog } from './revocations/memory.ts'

const KEY = randomBytes(32)
const START = Date.UTC(2026, 0, 1)
const GRACE = 30_000
const DAY = 86_400_000

/** Refresh tokens on a memory store, by a clock that the test moves. */
async function createTrial(
  changes: Partial<RefreshOptions> = {},
  wrap = (store: IndexedSessionStore) => store,
) {
  let time = START
  const now = () => time
  const events: RefreshEvent[] = []
  const memory = createMemoryStore({ now })
  const log = createMemoryRevocationLog({ now })
  const revocations = createRevocations(log, { now })
  await revocations.ready
  const writes = { count: 0 }
  const counting: IndexedSessionStore = {
    ...memory,
    now: async () => time,
    write: (...call) => {
      writes.count++
      return memory.write(...call)
    },
  }
  const store = wrap(counting)
  const options: RefreshOptions = {
    keys: [KEY],
    revocations,
    onEvent: (event) => events.push(event),
    ...changes,
  }
  const refresh = createRefreshTokens(store, options)
  onTestFinished(async () => {
    refresh.close()
    await revocations.close()
  })
  return {
    store,
    memory,
    refresh,
    revocations,
    events,
    writes,
    options,
    elapse: (milliseconds: number) => {
      time += milliseconds
    },
    now,
  }
}

async function rotateOk(refresh: RefreshTokens, token: string): Promise<string> {
  const result = await refresh.rotate(token)
  if (!result.ok) throw new Error(`refused: ${result.reason}`)
  return result.refreshToken
}

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

  it.each([
    ['nothing', undefined],
    ['a number', 7],
    ['an empty text', ''],
    ['two parts', `${'a'.repeat(43)}.1`],
    ['generation 0', `${'a'.repeat(43)}.0.${'a'.repeat(43)}`],
    ['a leading zero', `${'a'.repeat(43)}.01.${'a'.repeat(43)}`],
    ['a negative generation', `${'a'.repeat(43)}.-1.${'a'.repeat(43)}`],
    ['a huge generation', `${'a'.repeat(43)}.12345678901.${'a'.repeat(43)}`],
    ['a line feed at the end', `${'a'.repeat(43)}.1.${'a'.repeat(43)}\n`],
    ['padding', `${'a'.repeat(43)}.1.${'a'.repeat(43)}=`],
  ])('refuses %s as malformed', async (_, token) => {
    const { refresh } = await createTrial()

    expect(await refresh.rotate(token)).toEqual({ ok: false, reason: 'malformed' })
  })

  it('refuses a forged MAC, and one spelled otherwise, without a write', async () => {
    const { refresh, writes } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(refreshToken.at(-1)!)
    // The two lowest bits of the last character are beyond the 32 bytes: both texts decode to the same bytes.
    const respelled = refreshToken.slice(0, -1) + alphabet[last ^ 1]
    const forged = refreshToken.slice(0, -2) + (refreshToken.at(-2) === 'A' ? 'B' : 'A') + refreshToken.at(-1)

    expect(await refresh.rotate(respelled)).toEqual({ ok: false, reason: 'forged' })
    expect(await refresh.rotate(forged)).toEqual({ ok: false, reason: 'forged' })
    expect(writes.count).toBe(0)
    expect(await refresh.rotate(refreshToken)).toMatchObject({ ok: true })
  })

  it('refuses the generation of one token with the MAC of another', async () => {
    const { refresh } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const [family, , mac] = refreshToken.split('.')

    expect(await refresh.rotate(`${family}.2.${mac}`)).toEqual({ ok: false, reason: 'forged' })
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
})

describe('createRefreshTokens() when keys rotate', () => {
  const OTHER = randomBytes(32)

  it('gives the same successor on a server that signs with the old key and on one that signs with the new', async () => {
    const trial = await createTrial({ keys: [KEY, OTHER] })
    const newer = createRefreshTokens(trial.store, { ...trial.options, keys: [OTHER, KEY] })
    onTestFinished(() => newer.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    const results = await Promise.all([
      trial.refresh.rotate(refreshToken),
      newer.rotate(refreshToken),
      trial.refresh.rotate(refreshToken),
      newer.rotate(refreshToken),
    ])

    expect(new Set(results.map((result) => result.ok && result.refreshToken)).size).toBe(1)
    expect(results.every(({ ok }) => ok)).toBe(true)
  })

  it('tells a key that it does not have from a forgery', async () => {
    const trial = await createTrial({ keys: [OTHER, KEY] })
    const older = createRefreshTokens(trial.store, { ...trial.options, keys: [KEY] })
    onTestFinished(() => older.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    expect(await older.rotate(refreshToken)).toEqual({ ok: false, reason: 'unknown-key' })
    expect(await trial.refresh.rotate(refreshToken)).toMatchObject({ ok: true })
  })

  it('refuses the tokens of a key that was taken away', async () => {
    const trial = await createTrial({ keys: [OTHER] })
    const after = createRefreshTokens(trial.store, { ...trial.options, keys: [KEY] })
    onTestFinished(() => after.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    expect(await after.rotate(refreshToken)).toMatchObject({ ok: false })
  })

  it('refuses keys that are none, short or missing', async () => {
    const { store, options } = await createTrial()

    expect(() => createRefreshTokens(store, { ...options, keys: [] })).toThrow(/at least one key/)
    expect(() => createRefreshTokens(store, { ...options, keys: [randomBytes(31)] })).toThrow(RangeError)
    expect(() => createRefreshTokens(store, { ...options, keys: ['x'.repeat(43)] as never })).toThrow(
      TypeError,
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
