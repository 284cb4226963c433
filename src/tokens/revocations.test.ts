import { describe, expect, it } from 'vitest'
import {
  claims,
  createLine,
  createServer,
  createTrial,
  SECOND,
  START,
} from '../../test/support/revocations-trial.ts'
import { createRevocations } from './revocations.ts'
import { createMemoryRevocationLog } from './revocations/memory.ts'

describe('createRevocations()', () => {
  it('refuses the tokens of a revoked session, on every server', async () => {
    const { here, there } = await createTrial()

    await here.revokeSession('s1')

    expect([here.check(claims()), there.check(claims())]).toEqual(['revoked', 'revoked'])
    expect(there.check(claims({ sid: 's2' }))).toBe('valid')
    expect(there.check(claims({ sid: undefined }))).toBe('valid')
  })

  it("refuses a user's tokens up to now, this second included, and no other's", async () => {
    const { here, there } = await createTrial()

    await here.revokeUser('ada')

    expect(there.check(claims())).toBe('revoked')
    expect(there.check(claims({ iat: SECOND }))).toBe('revoked')
    expect(there.check(claims({ iat: SECOND + 1 }))).toBe('valid')
    expect(there.check(claims({ sub: 'bob', iat: SECOND }))).toBe('valid')
  })

  it('refuses the tokens of everybody up to now', async () => {
    const { here, there } = await createTrial()

    await here.revokeAll()

    expect(there.check(claims({ sub: 'bob', iat: SECOND }))).toBe('revoked')
    expect(there.check(claims({ sub: 'bob', iat: SECOND + 1 }))).toBe('valid')
  })

  it('gives what is issued in the same second an instant that is good', async () => {
    const { here, there } = await createTrial()
    await here.revokeUser('ada')

    const iat = there.issuedAt('ada', SECOND)

    expect(iat).toBe(SECOND + 1)
    expect(there.check(claims({ iat }))).toBe('valid')
    expect(there.issuedAt('bob', SECOND)).toBe(SECOND)
    expect(there.issuedAt('ada', SECOND + 7)).toBe(SECOND + 7)
  })

  it('revokes up to an instant in the past, and never less than before', async () => {
    const { here, there } = await createTrial()

    await here.revokeUser('ada', { since: START - 60_000 })
    const early = [there.check(claims({ iat: SECOND - 61 })), there.check(claims({ iat: SECOND - 10 }))]
    await here.revokeUser('ada')
    await here.revokeUser('ada', { since: START - 60_000 })

    expect(early).toEqual(['revoked', 'valid'])
    expect(there.check(claims())).toBe('revoked')
  })

  it('refuses to revoke up to an instant in the future', async () => {
    const { here } = await createTrial()

    await expect(here.revokeUser('ada', { since: START + 1 })).rejects.toThrow(RangeError)
    await expect(here.revokeAll({ since: Number.NaN })).rejects.toThrow(RangeError)
  })

  it.each([
    ['an empty text', '', TypeError],
    ['no text', undefined, TypeError],
    ['a text that is too long', 'a'.repeat(1_025), RangeError],
  ])('refuses %s as a subject', async (_, subject, error) => {
    const { here } = await createTrial()

    await expect(here.revokeUser(subject as string)).rejects.toThrow(error)
    await expect(here.revokeSession(subject as string)).rejects.toThrow(error)
  })

  it('takes names for what they are', async () => {
    const { here, there } = await createTrial()

    await here.revokeSession('__proto__')
    await here.revokeUser('constructor')

    expect(there.check(claims({ sid: '__proto__' }))).toBe('revoked')
    expect(there.check(claims({ sub: 'constructor' }))).toBe('revoked')
    expect(there.check(claims())).toBe('valid')
  })

  it('does not say that something is revoked when that was not stored', async () => {
    const { there, fault } = await createTrial()
    fault.isAway = true

    await expect(there.revokeSession('s1')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: 'Cannot ask for the time as the spoiled revocation log failed; see the cause',
    })
  })

  it('does not wait for a back end that hangs', async () => {
    const log = createMemoryRevocationLog()
    const { revocations } = await createServer(
      { ...log, append: () => new Promise(() => undefined) },
      { timeout: 20 },
    )

    await expect(revocations.revokeSession('s1')).rejects.toThrow(/gave no answer in 20 ms/)
  })

  it('forgets an entry when no token can be left that it is about', async () => {
    let time = START
    const log = createMemoryRevocationLog({ now: () => time })
    const { revocations } = await createServer(log, { now: () => time, tokenLifetime: 600_000 })
    await revocations.ready
    await revocations.revokeSession('s1')
    time += 600_000 + 59_999
    const before = (await log.snapshot()).entries

    time += 1
    await revocations.revokeSession('s2')

    expect(before).toMatchObject([{ subject: 's1' }])
    expect((await log.snapshot()).entries).toMatchObject([{ subject: 's2' }])
    expect(revocations.stats.size).toBe(1)
  })

  it('remembers a user for as long as a login lasts', async () => {
    const { log, here } = await createTrial({ tokenLifetime: 1_000, loginLifetime: 90_000 })

    await here.revokeUser('ada')

    expect((await log.snapshot()).entries).toMatchObject([{ expiresAt: START + 150_000 }])
  })

  it('tells for how long it remembers a session, in milliseconds', async () => {
    const { here } = await createTrial({ tokenLifetime: '20m' })

    const { tokenLifetime } = here

    expect(tokenLifetime).toBe(1_200_000)
  })

  it('tells the time of the log', async () => {
    const log = createMemoryRevocationLog({ now: () => START })
    const { revocations } = await createServer(log, {
      now: () => START + 300_000,
      monotonic: () => performance.now(),
    })

    await revocations.ready

    expect(revocations.now()).toBe(START)
  })

  it('counts as out of date once it is closed', async () => {
    const { there } = await createTrial()

    await there.close()

    expect(there.check(claims())).toBe('unknown')
  })

  it('tells whoever waits that it was closed before it was complete', async () => {
    const wire = createLine(createMemoryRevocationLog())
    wire.fault.isAway = true
    const { revocations } = await createServer(wire.line)

    await revocations.close()

    await expect(revocations.ready).rejects.toThrow(/closed before it was complete/)
  })

  it.each(['tokenLifetime', 'loginLifetime', 'bound', 'timeout'])('refuses a %s that is none', (name) => {
    const create = (value: number) => () => createRevocations(createMemoryRevocationLog(), { [name]: value })

    expect(create(0)).toThrow(RangeError)
    expect(create(Number.NaN)).toThrow(RangeError)
    expect(create(Number.POSITIVE_INFINITY)).toThrow(RangeError)
  })
})
