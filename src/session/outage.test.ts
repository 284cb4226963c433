import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  listen,
  type Trial,
} from '../../test/support/session-trial.ts'

const UNAVAILABLE = { code: 'ERR_STORE_UNAVAILABLE', status: 503, headers: { 'Retry-After': '1' } }
const hang = (): Promise<never> => new Promise(() => undefined)
const refuse = (): Promise<never> => Promise.reject(new Error('ECONNREFUSED'))

beforeEach(() => {
  vi.useFakeTimers({
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'performance'],
  })
})
afterEach(() => vi.useRealTimers())

/** Waits for an outcome while time passes; resolves to it and to the milliseconds it took. */
async function timed<Result>(promise: Promise<Result>): Promise<{ took: number; result: Result | Error }> {
  const start = performance.now()
  const outcome: { took: number; result: Result | Error }[] = []
  void promise
    .catch((error: Error) => error)
    .then((result) => outcome.push({ took: performance.now() - start, result }))
  for (let step = 0; step < 400 && outcome.length === 0; step++) await vi.advanceTimersByTimeAsync(10)
  if (!outcome[0]) throw new Error('It hangs')
  return outcome[0]
}

/** A user whose store has gone away, so that the next request probes it. */
async function createOutage(call: (next: () => Promise<unknown>) => Promise<unknown>) {
  const trial = createTrial()
  const { id } = await createUser(trial)
  trial.store.intercept = refuse
  for (let at = 0; at < 5; at++) await timed(createBrowser(id).begin(trial.here))
  await vi.advanceTimersByTimeAsync(10_000)
  trial.store.intercept = (_call, next) => call(next)
  return { trial, id }
}

const operations = {
  load: (trial: Trial, id: string | undefined) => createBrowser(id).begin(trial.here),
  'update of a stranger': async (trial: Trial) => {
    const { session } = await createBrowser().begin(trial.here)
    await session.update('count', () => 1)
  },
  'login of a stranger': async (trial: Trial) => {
    const { session } = await createBrowser().begin(trial.here)
    await session.login('ada')
  },
  revoke: (trial: Trial) => trial.here.revoke('handle'),
  list: (trial: Trial) => trial.here.of('ada').list(),
  'revoke all': (trial: Trial) => trial.here.of('ada').revoke(),
  sweep: (trial: Trial) => trial.here.sweep(),
} as const

describe('createSessions() on a store that gives no answer', () => {
  it.for(Object.entries(operations))('answers within the deadline: %s', async ([, operation]) => {
    const trial = createTrial()
    const { id } = await createUser(trial)
    trial.store.intercept = hang

    const { took, result } = await timed<unknown>(operation(trial, id))

    expect(result).toMatchObject(UNAVAILABLE)
    expect(took).toBeGreaterThanOrEqual(500)
    expect(took).toBeLessThanOrEqual(520)
  })

  it.for(['update', 'login', 'regenerate', 'destroy', 'commit'] as const)(
    'answers a loaded session within the deadline and claims nothing: %s',
    async (operation) => {
      const trial = createTrial()
      const browser = await createUser(trial)
      const { session, exchange } = await browser.begin(trial.here)
      if (operation === 'commit') session.set('lang', 'ko')
      trial.store.intercept = hang

      const { took, result } = await timed<unknown>(
        operation === 'update'
          ? session.update('count', () => 1)
          : operation === 'login'
            ? session.login('ada')
            : session[operation](),
      )
      trial.store.intercept = (_call, next) => next()
      await vi.advanceTimersByTimeAsync(1_000)
      if (operation !== 'commit') await exchange.end()

      expect(result).toMatchObject(UNAVAILABLE)
      expect(took).toBeLessThanOrEqual(1_040)
      expect(exchange.cookies).toEqual([])
    },
  )

  it('takes the deadline that it is told', async () => {
    const trial = createTrial({ storeTimeout: '50ms' })
    trial.store.intercept = hang

    const { took } = await timed(trial.here.revoke('handle'))

    expect(took).toBeLessThanOrEqual(70)
  })

  it('opens the breaker within a second and then fails at once, without asking', async () => {
    const trial = createTrial()
    const { id } = await createUser(trial)
    const happened = listen(trial.here)
    trial.store.intercept = hang
    const start = performance.now()
    await timed(createBrowser(id).begin(trial.here))
    await timed(createBrowser(id).begin(trial.here))
    const opened = performance.now() - start
    const asked = trial.store.calls.length

    const { took, result } = await timed(createBrowser(id).begin(trial.here))

    expect(opened).toBeLessThanOrEqual(1_050)
    expect(took).toBeLessThanOrEqual(10)
    expect(result).toMatchObject(UNAVAILABLE)
    expect(trial.store.calls).toHaveLength(asked)
    expect(happened).toEqual([{ name: 'storeDown', event: { error: expect.any(Error) as unknown } }])
  })

  it('opens the breaker at once for many parallel requests', async () => {
    const trial = createTrial()
    const { id } = await createUser(trial)
    trial.store.intercept = hang

    const crowd = Promise.allSettled(Array.from({ length: 50 }, () => createBrowser(id).begin(trial.here)))
    await vi.advanceTimersByTimeAsync(510)
    const settled = await crowd
    const { took, result } = await timed(createBrowser(id).begin(trial.here))

    expect(settled.map(({ status }) => status)).toEqual(Array(50).fill('rejected'))
    expect([took, result]).toEqual([expect.toSatisfy((ms: number) => ms <= 10), expect.any(Error)])
  })

  it('probes a store that was away by one request at a time, and recovers by the first success', async () => {
    const { trial, id } = await createOutage(hang)
    const happened = listen(trial.here)
    const asked = trial.store.calls.length

    const crowd = Promise.allSettled(Array.from({ length: 30 }, () => createBrowser(id).begin(trial.here)))
    await vi.advanceTimersByTimeAsync(1_000)
    await crowd
    const probes = trial.store.calls.length - asked
    trial.store.intercept = (_call, next) => next()
    await vi.advanceTimersByTimeAsync(1_100)
    const { result } = await timed(createBrowser(id).begin(trial.here))
    const after = await Promise.all(Array.from({ length: 10 }, () => createBrowser(id).begin(trial.here)))

    expect(probes).toBe(1)
    expect(result).toMatchObject({ session: { principal: 'ada' } })
    for (const { session } of after) expect(session.principal).toBe('ada')
    expect(happened.map(({ name }) => name)).toEqual(['storeDown', 'storeUp'])
    expect(happened[1]?.event).toMatchObject({ downtime: expect.any(Number) as unknown })
  })

  it('sends no second probe for 2 s while one has no answer: each may be a connection that the store has to look at', async () => {
    const { trial, id } = await createOutage(hang)
    const asked = trial.store.calls.length

    for (let at = 0; at < 39; at++) {
      createBrowser(id)
        .begin(trial.here)
        .catch(() => undefined)
      await vi.advanceTimersByTimeAsync(50)
    }
    const probes = trial.store.calls.length - asked
    await vi.advanceTimersByTimeAsync(60)
    await timed(createBrowser(id).begin(trial.here))

    expect(probes).toBe(1)
    expect(trial.store.calls.length - asked).toBe(2)
  })

  it.for([
    ['is answered', 0],
    ['fails', 250],
  ] as const)('sends the next probe soon after one %s that was given up', async ([ending, pause]) => {
    const settle: ((error?: Error) => void)[] = []
    const { trial, id } = await createOutage((next) => {
      return new Promise<void>((resolve, reject) =>
        settle.push((error) => (error ? reject(error) : resolve())),
      ).then(next)
    })
    await timed(createBrowser(id).begin(trial.here))
    const { took } = await timed(createBrowser(id).begin(trial.here))
    expect(took).toBeLessThanOrEqual(10)

    settle.at(-1)?.(ending === 'fails' ? new Error('ETIMEDOUT') : undefined)
    await vi.advanceTimersByTimeAsync(pause)
    trial.store.intercept = (_call, next) => next()
    const { result } = await timed(createBrowser(id).begin(trial.here))

    expect(result).toMatchObject({ session: { principal: 'ada' } })
  })

  it('is not taken for away because one call failed now and then', async () => {
    const trial = createTrial()
    const { id } = await createUser(trial)
    const happened = listen(trial.here)
    let calls = 0
    trial.store.intercept = (_call, next) => (calls++ % 2 === 0 ? refuse() : next())

    const results = []
    for (let at = 0; at < 20; at++) results.push(await timed(createBrowser(id).begin(trial.here)))

    expect(results.filter(({ result }) => !(result instanceof Error))).toHaveLength(10)
    expect(happened).toEqual([])
  })

  it('tells the cause to those who log it, and no id', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    trial.store.intercept = refuse

    const { result } = await timed(browser.begin(trial.here))

    expect(result).toMatchObject({
      message: 'Cannot read a session as the watched store failed',
      cause: new Error('ECONNREFUSED'),
    })
  })

  it('never replaces or clears a cookie because of it', async () => {
    const trial = createTrial()
    for (const create of [createVisitor, createUser]) {
      const browser = await create(trial)
      const { session, exchange } = await browser.begin(trial.here)
      trial.store.intercept = refuse

      const failed = await Promise.allSettled([
        session.update('count', () => 1),
        session.regenerate(),
        session.login('ada'),
        session.destroy(),
      ])
      await exchange.end()

      expect(failed.map(({ status }) => status)).toEqual(Array(4).fill('rejected'))
      expect(exchange.cookies).toEqual([])
      trial.store.intercept = (_call, next) => next()
      await vi.advanceTimersByTimeAsync(1_000)
      expect((await browser.begin(trial.here)).session.handle).toBe(session.handle)
    }
  })

  it('never tells a login or an update that the store refused', async () => {
    const trial = createTrial()
    for (const method of ['create', 'write', 'list'] as const) {
      const browser = await createVisitor(trial)
      const { session } = await browser.begin(trial.here)
      trial.store.intercept = (call, next) => (call.method === method ? refuse() : next())

      const settled = await Promise.allSettled([
        method === 'write' ? session.update('count', () => 1) : trial.here.of('ada').list(),
        method === 'list' ? trial.here.of('ada').revoke() : session.login('ada'),
      ])

      expect(settled.map(({ status }) => status)).toContain('rejected')
      if (method !== 'list') expect(settled[1]?.status, `when ${method} is refused`).toBe('rejected')
      trial.store.intercept = (_call, next) => next()
      await vi.advanceTimersByTimeAsync(1_000)
    }
  })

  it('goes on sweeping when it is back', async () => {
    const trial = createTrial({ sweepInterval: '1m' })
    await createVisitor(trial)
    trial.elapse(86_400_000)
    const happened = listen(trial.here)
    trial.store.intercept = refuse
    await vi.advanceTimersByTimeAsync(180_000)
    trial.store.intercept = (_call, next) => next()

    await vi.advanceTimersByTimeAsync(60_000)

    expect(happened.filter(({ name }) => name === 'expired')).toHaveLength(1)
  })
})

describe("createSessions() with the outage policy 'anonymous'", () => {
  it('goes on as for a stranger whose session cannot be changed, and leaves the cookie alone', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const { id } = browser
    trial.store.intercept = refuse

    const { session, exchange } = await browser.visit(
      trial.here,
      async (session) => {
        expect(session).toMatchObject({
          unavailable: true,
          principal: undefined,
          isNew: true,
          superseded: false,
        })
        expect(session.get('cart')).toBeUndefined()
        expect(() => session.set('count', 1)).toThrow(expect.objectContaining(UNAVAILABLE))
        for (const change of [
          session.update('count', () => 1),
          session.login('ada'),
          session.regenerate(),
          session.destroy(),
        ]) {
          await expect(change).rejects.toMatchObject(UNAVAILABLE)
        }
      },
      { outage: 'anonymous' },
    )

    expect(session.unavailable).toBe(true)
    expect([browser.id, exchange.cookies]).toEqual([id, []])
    expect((await trial.here.explain(exchange))[0]).toContain('could not be looked up')
  })

  it('is a choice of the manager or of a route', async () => {
    const trial = createTrial({ outage: 'anonymous' })
    const browser = await createUser(trial)
    trial.store.intercept = refuse

    const { session } = await browser.begin(trial.here)

    expect(session.unavailable).toBe(true)
    await expect(browser.begin(trial.here, { outage: 'fail' })).rejects.toMatchObject(UNAVAILABLE)
  })

  it('does not soften a stricter policy that the same request asks for later', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    trial.store.intercept = refuse
    const exchange = browser.request()
    trial.here.attach(exchange, exchange)

    await trial.here.explain(exchange)
    await trial.here.load(exchange, { outage: 'anonymous' })

    await expect(trial.here.load(exchange)).rejects.toMatchObject(UNAVAILABLE)
  })

  it('lets a stranger without a cookie in without asking the store', async () => {
    const trial = createTrial()
    trial.store.intercept = refuse

    const { session } = await createBrowser().begin(trial.here)

    expect([session.isNew, session.unavailable]).toEqual([true, false])
    expect(trial.store.calls).toEqual([])
  })
})
