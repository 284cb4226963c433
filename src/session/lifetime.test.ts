import { describe, expect, it } from 'vitest'
import {
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  listen,
  type TrialOptions,
  whoIs,
} from '../../test/support/session-trial.ts'
import { createLifetime } from './lifetime.ts'

const SECOND = 1_000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

/** Lets the background touch of a load finish. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** Uses a session at intervals until it is gone; resolves to how long that took. */
async function useUntilGone(options: TrialOptions, every: number, remember = false): Promise<number> {
  const trial = createTrial(options)
  const browser = await createUser(trial, 'ada', { remember })
  for (let age = every; ; age += every) {
    trial.elapse(every)
    if ((await whoIs(trial.there, browser.id)) === undefined) return age
    await settle()
  }
}

describe('createLifetime()', () => {
  it.for([
    [{}, 30 * MINUTE, 12 * HOUR],
    [{ preset: 'aal1' }, 30 * MINUTE, 30 * DAY],
    [{ preset: 'aal2' }, HOUR, 24 * HOUR],
    [{ preset: 'aal3' }, 15 * MINUTE, 12 * HOUR],
    [{ preset: 'aal2', idleTimeout: '5m' }, 5 * MINUTE, 24 * HOUR],
    [{ preset: 'aal2', absoluteTimeout: '2h' }, HOUR, 2 * HOUR],
    [{ idleTimeout: '20h', absoluteTimeout: '40d' }, 20 * HOUR, 40 * DAY],
  ] as const)('reads %j', ([options, idle, absolute]) => {
    const { expiresAt, touchInterval } = createLifetime('test', options)

    expect(touchInterval).toBe(Math.max(30 * SECOND, idle * 0.05))
    expect(expiresAt(0, 0, false)).toBe(idle + touchInterval)
    expect(expiresAt(0, absolute - 1, false)).toBe(absolute)
  })

  it('records the use of a session of some seconds within half its timeout', () => {
    const { expiresAt, touchInterval } = createLifetime('test', { idleTimeout: '10s' })

    expect([touchInterval, expiresAt(0, 0, false)]).toEqual([5 * SECOND, 15 * SECOND])
  })

  it.for([
    [{ idleTimeout: -5 }, 'Cannot test as idleTimeout must be > 0: received -5'],
    [{ idleTimeout: 0 }, 'Cannot test as idleTimeout must be > 0: received 0'],
    [{ absoluteTimeout: '0s' }, 'Cannot test as absoluteTimeout must be > 0: received 0s'],
    [{ idleTimeout: Number.NaN }, 'Cannot test as idleTimeout must be > 0: received NaN'],
    [
      { idleTimeout: '30 min' },
      'Cannot test as idleTimeout must be a number of milliseconds or a text like \'30m\': received "30 min"',
    ],
    [
      { rememberTimeout: '1w' },
      'Cannot test as rememberTimeout must be a number of milliseconds or a text like \'30m\': received "1w"',
    ],
    [
      { idleTimeout: '13h' },
      'Cannot test as absoluteTimeout must be at least the idleTimeout of 46800000 ms: received 43200000 ms',
    ],
    [{ preset: 'aal4' }, "Cannot test as preset must be 'aal1', 'aal2' or 'aal3': received \"aal4\""],
  ] as const)('refuses %j', ([options, message]) => {
    expect(() => createLifetime('test', options as object)).toThrow(message)
  })
})

describe('createSessions() letting time pass', () => {
  it('ends an unused session after 30 minutes and a half, the slack of a coarse touch, and never before', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const end = 30 * MINUTE + 90 * SECOND

    trial.elapse(end - 1)
    const before = await whoIs(trial.here, browser.id)
    const other = await createUser(trial)
    trial.elapse(end)

    expect(before).toBe('ada')
    expect(await whoIs(trial.here, other.id)).toBeUndefined()
  })

  it('lives at least 30 minutes from its last use, though not every use is recorded', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    trial.elapse(89 * SECOND)
    await browser.visit(trial.here)
    await settle()

    trial.elapse(30 * MINUTE)

    expect(trial.store.count('touch')).toBe(0)
    expect(await whoIs(trial.there, browser.id)).toBe('ada')
  })

  it('ends a session in use after its absolute timeout', async () => {
    expect(await useUntilGone({}, 10 * MINUTE)).toBe(12 * HOUR)
  })

  it.for([
    ['aal1', 20 * MINUTE, 30 * DAY],
    ['aal2', 50 * MINUTE, 24 * HOUR + 10 * MINUTE],
    ['aal3', 10 * MINUTE, 12 * HOUR],
  ] as const)('ends a session in use as %s says', async ([preset, every, end]) => {
    expect(await useUntilGone({ preset }, every)).toBe(end)
  })

  it('is not prolonged beyond its absolute timeout by writes and rotations', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)

    for (let age = 0; age < 12 * HOUR - 10 * MINUTE; age += 10 * MINUTE) {
      trial.elapse(10 * MINUTE)
      await browser.visit(trial.here, (session) => session.update('count', (count = 0) => count + 1))
      if (age % HOUR === 0) await browser.visit(trial.there, (session) => session.regenerate())
    }
    expect(await whoIs(trial.here, browser.id)).toBe('ada')
    trial.elapse(10 * MINUTE)

    expect(await whoIs(trial.here, browser.id)).toBeUndefined()
  })

  it('counts the absolute timeout of a visitor anew from the login', async () => {
    const trial = createTrial({ idleTimeout: '10h' })
    const browser = await createVisitor(trial)
    trial.elapse(9 * HOUR)

    await browser.visit(trial.here, (session) => session.login('ada'))
    trial.elapse(9 * HOUR)

    const { session } = await browser.begin(trial.there)
    expect(session.principal).toBe('ada')
    expect(session.authenticatedAt).toBe(trial.now() - 9 * HOUR)
  })

  it('remembers a login for 40 days, in use or not, and not for one instant longer', async () => {
    const trial = createTrial({ rememberTimeout: '40d' })
    const browser = await createUser(trial, 'ada', { remember: true })
    trial.elapse(40 * DAY - 1)

    const atTheEnd = await whoIs(trial.there, browser.id)
    await settle()
    trial.elapse(1)

    expect([atTheEnd, await whoIs(trial.there, browser.id)]).toEqual(['ada', undefined])
  })

  it('gives the cookie of a remembered login the time that is left on the server', async () => {
    const trial = createTrial({ rememberTimeout: '40d' })
    const browser = createBrowser()
    const login = await browser.visit(trial.here, (session) => session.login('ada', { remember: true }))
    trial.elapse(10 * DAY)

    const rotated = await browser.visit(trial.there, (session) => session.regenerate())

    expect(login.exchange.cookies).toEqual([expect.stringContaining(`; Max-Age=${(40 * DAY) / 1000};`)])
    expect(rotated.exchange.cookies).toEqual([expect.stringContaining(`; Max-Age=${(30 * DAY) / 1000};`)])
  })

  it('gives a login that is not remembered a cookie that ends with the browser', async () => {
    const trial = createTrial()
    const browser = await createUser(trial, 'ada', { remember: true })

    const { exchange } = await browser.visit(trial.here, (session) => session.login('ada'))

    expect(exchange.cookies[0]).not.toContain('Max-Age')
    expect((await trial.here.of('ada').list()).map(({ remembered }) => remembered)).toEqual([false])
  })

  it('gives a browser that was closed a new id, while the record lives until its timeout', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const old = browser.id
    browser.cookies.clear()

    await browser.visit(trial.here, (session) => session.set('count', 1))

    expect(browser.id).not.toBe(old)
    expect(await trial.here.of('ada').list()).toHaveLength(1)
    trial.elapse(31 * MINUTE + 31 * SECOND)
    expect(await trial.here.of('ada').list()).toHaveLength(0)
  })

  it('removes what expired when asked, and tells of each once', async () => {
    const trial = createTrial()
    const happened = listen(trial.here)
    const browser = await createUser(trial)
    const { session } = await browser.begin(trial.here)
    await createVisitor(trial)
    happened.length = 0
    trial.elapse(13 * HOUR)

    const removed = await trial.here.sweep()
    const again = await trial.here.sweep()

    expect([removed, again]).toEqual([2, 0])
    expect(happened).toHaveLength(2)
    expect(happened).toContainEqual({
      name: 'expired',
      event: { handle: session.handle, principal: 'ada' },
    })
  })
})

describe('createSessions() reading without writing', () => {
  it('costs one store read, no write and no cookie to load a session that is not changed', async () => {
    const trial = createTrial()
    const browser = await createUser(trial, 'ada', { cart: ['coat'] })
    trial.store.calls.length = 0

    const { exchange } = await browser.visit(trial.there, (session) => {
      session.get('cart')
      session.has('lang')
      session.delete('lang')
      return session.commit()
    })

    expect(trial.store.calls.map(({ method }) => method)).toEqual(['read'])
    expect(exchange.cookies).toEqual([])
    expect(exchange.answer.size).toBe(0)
  })

  it('stores nothing and sends no cookie for a visitor who changes nothing', async () => {
    const trial = createTrial()

    const { exchange, session } = await createBrowser().visit(trial.here, async (session) => {
      session.get('cart')
      session.delete('cart')
      await session.take('notice')
      await session.commit()
      await session.regenerate()
    })

    expect(session.isNew).toBe(true)
    expect(trial.store.calls).toEqual([])
    expect(exchange.cookies).toEqual([])
  })

  it('writes nothing when what is set is there already', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    await browser.visit(trial.here, (session) => session.set('lang', 'ko'))
    trial.store.calls.length = 0

    await browser.visit(trial.there, (session) => session.set('lang', 'ko'))

    expect(trial.store.calls.map(({ method }) => method)).toEqual(['read'])
  })

  it('asks the store once however often a request loads its session', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const exchange = browser.request()
    trial.here.attach(exchange, exchange)
    trial.store.calls.length = 0

    const loaded = await Promise.all([trial.here.load(exchange), trial.here.load(exchange)])

    expect(loaded[0]).toBe(loaded[1])
    expect(trial.store.count('read')).toBe(1)
  })

  it.for([
    ['30m', 90 * SECOND],
    ['4m', 30 * SECOND],
    ['10h', 30 * MINUTE],
  ] as const)('records the use of a session of %s after %d ms, not before', async ([idleTimeout, due]) => {
    const trial = createTrial({ idleTimeout })
    const browser = await createUser(trial)
    trial.elapse(due - 1)
    await browser.visit(trial.here)
    const early = trial.store.count('touch')
    trial.elapse(1)

    await browser.visit(trial.here)
    await settle()
    await browser.visit(trial.there)

    expect([early, trial.store.count('touch')]).toEqual([0, 1])
    expect(trial.store.count('write')).toBe(0)
  })

  it('records one use for parallel requests', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    trial.elapse(2 * MINUTE)

    await Promise.all(Array.from({ length: 20 }, () => browser.copy().begin(trial.here)))
    await settle()

    expect(trial.store.count('touch')).toBe(1)
  })

  it('answers although a use could not be recorded, and tries again', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    trial.elapse(2 * MINUTE)
    trial.store.intercept = (call, next) =>
      call.method === 'touch' ? Promise.reject(new Error('away')) : next()
    const { session } = await browser.visit(trial.here)
    await settle()
    trial.store.intercept = (_call, next) => next()

    await browser.visit(trial.here)
    await settle()

    expect(session.principal).toBe('ada')
    const [info] = await trial.here.of('ada').list()
    expect(info?.lastSeenAt).toBe(trial.now())
  })
})
