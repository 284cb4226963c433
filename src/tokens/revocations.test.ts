import { afterEach, describe, expect, it } from 'vitest'
import type { RevocationListener, RevocationLog } from './revocation-log.ts'
import {
  createRevocations,
  type RevocationEvent,
  type Revocations,
  type RevocationsOptions,
} from './revocations.ts'
import { createMemoryRevocationLog } from './revocations/memory.ts'

const START = Date.UTC(2026, 0, 1) + 400
const SECOND = Math.floor(START / 1000)
const BOUND = 100
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** What may go wrong between a log and one process. */
interface Fault {
  /** Entries are not told. */
  isDeaf: boolean
  /** Nonces do not come back. */
  isMute: boolean
  /** Calls fail. */
  isAway: boolean
}

/** The same log through a line that the test can spoil. */
function createLine(log: RevocationLog) {
  const fault: Fault = { isDeaf: false, isMute: false, isAway: false }
  const listeners = new Set<RevocationListener>()
  let opened = 0
  const call = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (fault.isAway) throw new Error('The line is cut')
    return work()
  }
  const line: RevocationLog = {
    name: 'spoiled',
    now: () => call(() => log.now()),
    append: (entry) => call(() => log.append(entry)),
    snapshot: () => call(() => log.snapshot()),
    subscribe(listener) {
      opened++
      const filter: RevocationListener = {
        appended: (...entry) => void (fault.isDeaf || fault.isAway || listener.appended(...entry)),
        echoed: (...nonce) => void (fault.isMute || fault.isAway || listener.echoed(...nonce)),
        broken: () => listener.broken(),
      }
      const subscription = log.subscribe(filter)
      listeners.add(listener)
      return {
        echo: (nonce) => call(() => subscription.echo(nonce)),
        close() {
          listeners.delete(listener)
          return subscription.close()
        },
      }
    },
  }
  const breakOff = () => {
    for (const listener of listeners) listener.broken()
  }
  return { line, fault, breakOff, opened: () => opened }
}

/** A log that can lose everything, as a failover to an empty replica does, with the connections staying open. */
function createWipeable(): RevocationLog & { wipe(): void } {
  const open = () => createMemoryRevocationLog({ now: () => START })
  let log = open()
  return {
    name: 'wipeable',
    now: () => log.now(),
    append: (entry) => log.append(entry),
    snapshot: () => log.snapshot(),
    subscribe(listener) {
      let subscription = log.subscribe(listener)
      let home = log
      return {
        echo(nonce) {
          if (home !== log) subscription = (home = log).subscribe(listener)
          return subscription.echo(nonce)
        },
        close: () => subscription.close(),
      }
    },
    wipe() {
      log = open()
    },
  }
}

interface Server {
  readonly revocations: Revocations
  readonly events: RevocationEvent[]
}

async function createServer(log: RevocationLog, options: RevocationsOptions = {}): Promise<Server> {
  const events: RevocationEvent[] = []
  const revocations = createRevocations(log, {
    bound: BOUND,
    now: () => START,
    monotonic: () => performance.now(),
    onEvent: (event) => events.push(event),
    ...options,
  })
  cleanups.push(() => revocations.close())
  return { revocations, events }
}

async function createTrial(options: RevocationsOptions = {}) {
  const log = createMemoryRevocationLog({ now: () => START })
  const wire = createLine(log)
  const here = await createServer(log, options)
  const there = await createServer(wire.line, options)
  await Promise.all([here.revocations.ready, there.revocations.ready])
  return { log, ...wire, here: here.revocations, there: there.revocations, events: there.events }
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = performance.now() + 5_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error('It did not happen within 5 s')
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

const claims = (changes: object = {}) => ({ sub: 'ada', sid: 's1', iat: SECOND - 10, ...changes })

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

  it('knows what was revoked before it began', async () => {
    const { log, here } = await createTrial()
    await here.revokeSession('s1')

    const late = await createServer(log)
    const before = late.revocations.check(claims({ sid: 's2' }))
    await late.revocations.ready

    expect(before).toBe('unknown')
    expect(late.revocations.check(claims())).toBe('revoked')
    expect(late.revocations.check(claims({ sid: 's2' }))).toBe('valid')
  })

  it('reads everything again when a number is missing', async () => {
    const { here, there, fault } = await createTrial()
    fault.isDeaf = true
    await here.revokeSession('s1')
    fault.isDeaf = false

    await here.revokeSession('s2')

    await until(() => there.check(claims()) === 'revoked')
    expect(there.check(claims({ sid: 's2' }))).toBe('revoked')
    expect(there.stats).toMatchObject({ sequence: 2, snapshots: 2 })
  })

  it('finds out that the last entry is missing, though nothing comes after it', async () => {
    const { here, there, fault } = await createTrial()
    fault.isDeaf = true

    await here.revokeSession('s1')

    await until(() => there.check(claims()) === 'revoked')
    expect(there.stats).toMatchObject({ sequence: 1 })
  })

  it('reads everything again as soon as the channel broke', async () => {
    // With a bound of a minute, nothing else makes it read within this test.
    const { here, there, fault, breakOff } = await createTrial({ bound: 60_000 })
    fault.isDeaf = true
    fault.isMute = true
    await here.revokeSession('s1')

    breakOff()

    await until(() => there.check(claims()) === 'revoked')
  })

  it('refuses all tokens once no proof has come for longer than the bound', async () => {
    const { there, fault, events } = await createTrial()
    const cutAt = performance.now()
    fault.isMute = true
    fault.isDeaf = true

    await until(() => there.check(claims()) === 'unknown')

    expect(performance.now() - cutAt).toBeLessThanOrEqual(BOUND + 50)
    expect(there.stats.live).toBe(false)
    await until(() => events.some(({ type }) => type === 'lapsed'))
  })

  it('still says which tokens are revoked when it cannot say which are not', async () => {
    const { here, there, fault } = await createTrial()
    await here.revokeSession('s1')
    fault.isAway = true

    await until(() => !there.stats.live)

    expect(there.check(claims())).toBe('revoked')
  })

  it('accepts what may be revoked only by a loud option, and never before it was complete once', async () => {
    const { log, here, there, fault } = await createTrial({ allowPossiblyRevoked: true })
    await here.revokeSession('s1')
    fault.isAway = true
    await until(() => !there.stats.live)
    const wire = createLine(log)
    wire.fault.isAway = true
    const fresh = await createServer(wire.line, { allowPossiblyRevoked: true })

    expect(there.check(claims({ sid: 's2' }))).toBe('valid')
    expect(there.check(claims())).toBe('revoked')
    expect(fresh.revocations.check(claims({ sid: 's2' }))).toBe('unknown')
  })

  it('is back soon after the back end is', async () => {
    const { here, there, fault, events } = await createTrial()
    fault.isAway = true
    await until(() => !there.stats.live)
    await here.revokeSession('s1')
    fault.isAway = false

    await until(() => there.check(claims({ sid: 's2' })) === 'valid')

    expect(there.check(claims())).toBe('revoked')
    expect(events.some(({ type }) => type === 'renewed')).toBe(true)
  })

  it('tears a channel down that has fallen silent', async () => {
    const { there, fault, opened } = await createTrial()
    fault.isMute = true
    const before = opened()

    await until(() => opened() > before)
    fault.isMute = false

    await until(() => there.stats.live)
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

  it('gives a log back what it has lost, though nobody said that it had', async () => {
    const log = createWipeable()
    const here = await createServer(log)
    await here.revocations.ready
    await here.revocations.revokeSession('s1')
    await here.revocations.revokeUser('ada')

    log.wipe()
    await until(() => here.events.some(({ type }) => type === 'restored'))
    const fresh = await createServer(log)
    await fresh.revocations.ready

    expect(here.events.filter(({ type }) => type === 'restored')).toEqual([{ type: 'restored', count: 2 }])
    expect(fresh.revocations.check(claims({ sub: 'bob' }))).toBe('revoked')
    expect(fresh.revocations.check(claims({ sid: 's2' }))).toBe('revoked')
    await here.revocations.revokeSession('s3')
    expect(fresh.revocations.check(claims({ sub: 'bob', sid: 's3' }))).toBe('revoked')
    await until(() => here.revocations.stats.sequence === 3)
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
