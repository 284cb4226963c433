import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Browser,
  COOKIE,
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  FakeExchange,
  listen,
  load,
  whoIs,
} from '../../test/support/session-trial.ts'
import { keyOf } from './id.ts'

const FORGED = 'F'.repeat(43)

describe('createSessions() telling strangers from the rest', () => {
  it.for([
    ['a forged id', FORGED],
    ['an empty id', ''],
    ['a text too short', 'A'.repeat(42)],
    ['a text too long', 'A'.repeat(44)],
    ['a text of other characters', '<'.repeat(43)],
    ['a huge text', 'A'.repeat(100_000)],
  ] as const)('treats %s as a stranger and adopts it never', async ([, id]) => {
    const trial = createTrial()
    const browser = createBrowser(id)

    const { session, exchange } = await browser.visit(trial.here, (session) => {
      expect(session).toMatchObject({ isNew: true, principal: undefined, handle: undefined })
      session.set('count', 1)
    })

    expect(browser.id).toMatch(/^[\w-]{43}$/)
    expect(browser.id).not.toBe(id)
    expect(session.handle).toBe(keyOf(browser.id ?? ''))
    expect(exchange.cookies).toHaveLength(1)
    expect(await trial.store.read(keyOf(id))).toBeUndefined()
  })

  it('does not ask the store for what has not the shape of an id', async () => {
    const trial = createTrial()

    await createBrowser('A'.repeat(42)).begin(trial.here)

    expect(trial.store.count('read')).toBe(0)
  })

  it('treats the ids of ended and expired sessions as strangers, with the same answer as a forged one', async () => {
    const trial = createTrial()
    const ended = await createUser(trial)
    const expired = await createUser(trial)
    const endedId = ended.id
    await ended.visit(trial.here, (session) => session.destroy())
    trial.elapse(86_400_000)

    const visits = await Promise.all(
      [endedId, expired.id, FORGED].map(async (id) => {
        const exchange = new FakeExchange({ cookie: `${COOKIE}=${id}` })
        const session = await load(trial.there, exchange)
        await exchange.end()
        return [session.isNew, exchange.cookies, await trial.there.explain(exchange)]
      }),
    )

    expect(visits[0]).toEqual(visits[2])
    expect(visits[1]).toEqual(visits[2])
    expect(visits[2]?.slice(0, 2)).toEqual([true, []])
  })

  it('lets nobody in with a handle', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const [info] = await trial.here.of('ada').list()

    expect(info?.handle).toBe(keyOf(browser.id ?? ''))
    expect(await whoIs(trial.there, info?.handle)).toBeUndefined()
  })

  it('keeps the id out of records, listings, events, errors and explanations', async () => {
    const trial = createTrial({ storeTimeout: '20ms' })
    const seen: unknown[] = [listen(trial.here)]
    const stored: unknown[] = []
    trial.store.intercept = async (call, next) => {
      const result = await next()
      stored.push(call, result)
      return result
    }
    const browser = await createVisitor(trial)
    const ids = [browser.id]
    for (const step of ['login', 'regenerate'] as const) {
      await browser.visit(trial.here, (session) => session[step]('ada'))
      ids.push(browser.id)
    }
    for (const id of ids) {
      const { exchange } = await createBrowser(id).begin(trial.there)
      seen.push(await trial.there.explain(exchange))
    }
    seen.push(await trial.here.of('ada').list())
    trial.store.intercept = () => Promise.reject(new Error('away'))
    seen.push(await browser.begin(trial.here).catch((error: Error) => error.stack))

    const everything = JSON.stringify([seen, stored])

    expect(new Set(ids).size).toBe(3)
    for (const id of ids) expect(everything).not.toContain(id)
  })

  it('mints every id anew, from the source that it was given', async () => {
    let filled = 1
    const trial = createTrial({ randomFill: (bytes) => bytes.fill(filled++) })
    const browser = await createVisitor(trial)

    expect(browser.id).toMatch(/^[\w-]{43}$/)
    expect([1, 2].map((byte) => Buffer.alloc(32, byte).toString('base64url'))).toContain(browser.id)
  })
})

describe('Session.login() against a planted id', () => {
  it('lets nobody in by the id from before, at once and on every server', async () => {
    const trial = createTrial()
    const attacker = await createVisitor(trial)
    const victim = attacker.copy()

    await victim.visit(trial.here, (session) => session.login('ada'))

    for (const server of [trial.here, trial.there]) {
      expect(await whoIs(server, attacker.id)).toBeUndefined()
      expect((await attacker.begin(server)).session.get('cart')).toBeUndefined()
    }
    expect(await whoIs(trial.there, victim.id)).toBe('ada')
  })

  it('lets nobody in by the id from before while writes with it race the login', async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), async (scheduler) => {
        const trial = createTrial()
        const attacker = await createVisitor(trial)
        const victim = attacker.copy()
        trial.store.intercept = (call, next) => scheduler.schedule(Promise.resolve(), call.method).then(next)

        const login = victim.visit(trial.here, (session) => session.login('ada'))
        const attacks = [trial.here, trial.there].flatMap((server) => [
          attacker.copy().visit(server, (session) => session.update('count', (count = 0) => count + 1)),
          attacker.copy().visit(server, (session) => session.set('lang', 'ko')),
          attacker.copy().visit(server, (session) => session.regenerate()),
        ])
        const all = Promise.all([login, Promise.allSettled(attacks)])
        await scheduler.waitFor(all)
        trial.store.intercept = (_call, next) => next()

        const ids = new Set([attacker.id, ...(await all)[1].flatMap(readCookies)])
        ids.delete(undefined)
        for (const id of ids) expect(await whoIs(trial.there, id)).toBeUndefined()
        expect(await whoIs(trial.there, victim.id)).toBe('ada')
        trial.close()
      }),
      { numRuns: 100 },
    )
  })
})

describe('createSessions() with many users at once', () => {
  it('never shows 200 users each other, whatever order the store answers in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.nat(3)), async (delays) => {
        const trial = createTrial()
        trial.store.intercept = async (_call, next) => {
          for (let turns = delays.next().value; turns > 0; turns--) await Promise.resolve()
          return next()
        }

        const users = Array.from({ length: 200 }, (_, at) => `user ${at}`)
        await Promise.all(users.map((user) => live(user)))

        async function live(user: string): Promise<void> {
          const browser: Browser = createBrowser()
          const pick = (): typeof trial.here => (delays.next().value % 2 === 0 ? trial.here : trial.there)
          await browser.visit(pick(), (session) => session.set('lang', user))
          await browser.visit(pick(), (session) => session.login(user))
          await browser.visit(pick(), (session) => session.update('cart', (cart = []) => [...cart, user]))
          await browser.visit(pick(), (session) => session.regenerate())
          const { session } = await browser.begin(pick())
          expect([session.principal, session.get('lang'), session.get('cart')]).toEqual([user, user, [user]])
        }
        trial.close()
      }),
      { numRuns: 5 },
    )
  })
})

function readCookies(settled: PromiseSettledResult<{ exchange: FakeExchange }>): (string | undefined)[] {
  if (settled.status === 'rejected') return []
  return settled.value.exchange.cookies.map((cookie) => /=([\w-]{43});/.exec(cookie)?.[1])
}

describe('createSessions() beside another manager on the same request', () => {
  it('gives each its own session, by its own cookie', async () => {
    const trial = createTrial()
    const admin = trial.addServer({ cookie: { name: 'admin' } })
    const browser = await createUser(trial, 'ada')
    await browser.visit(admin, (session) => session.login('root'))
    const exchange = browser.request()

    const sessions = await Promise.all([load(trial.here, exchange), load(admin, exchange)])

    expect(sessions.map(({ principal }) => principal)).toEqual(['ada', 'root'])
  })
})
