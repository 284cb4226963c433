import { describe, expect, it } from 'vitest'
import { createBrowser, createTrial, createUser, listen, whoIs } from '../../test/support/session-trial.ts'

const GRACE = 10_000

const idIn = ({ cookies }: { readonly cookies: readonly string[] }): string | undefined =>
  /=([\w-]{43});/.exec(cookies.at(-1) ?? '')?.[1]

describe('Session.regenerate()', () => {
  it('gives a new id and keeps user, data, age and remember', async () => {
    const trial = createTrial()
    const browser = await createUser(trial, 'ada', { cart: ['coat'], remember: true })
    const old = browser.id
    const before = await trial.here.of('ada').list()
    trial.elapse(60_000)

    await browser.visit(trial.here, (session) => session.regenerate())

    const { session } = await browser.begin(trial.there)
    expect(browser.id).not.toBe(old)
    expect([session.principal, session.get('cart'), session.createdAt]).toEqual([
      'ada',
      ['coat'],
      before[0]?.createdAt,
    ])
    expect(await trial.here.of('ada').list()).toEqual([
      { ...before[0], handle: session.handle, lastSeenAt: trial.now() },
    ])
  })

  it('stores what was set before it', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)

    await browser.visit(trial.here, async (session) => {
      session.set('lang', 'ko')
      await session.regenerate()
      session.set('count', 1)
    })

    const { session } = await browser.begin(trial.there)
    expect([session.get('lang'), session.get('count')]).toEqual(['ko', 1])
  })

  it('lets the old id find the session for ten seconds, sending the new cookie again, and then no more', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const lost = browser.copy()
    const old = browser.id
    await browser.visit(trial.here, (session) => session.regenerate())
    trial.elapse(GRACE - 1)

    const { session, exchange } = await lost.visit(trial.there)
    const explained = await trial.there.explain(exchange)
    trial.elapse(1)

    expect(session.principal).toBe('ada')
    expect(lost.id).toBe(browser.id)
    expect(explained[0]).toBe(
      'The cookie __Host-session holds the id from before a rotation, within its grace; the new one is sent again.',
    )
    expect(await whoIs(trial.there, old)).toBeUndefined()
    expect(await whoIs(trial.there, browser.id)).toBe('ada')
  })

  it('does not let the old id live longer by its use', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const old = browser.id
    await browser.visit(trial.here, (session) => session.regenerate())

    for (let elapsed = 0; elapsed < GRACE; elapsed += 2_500) {
      await createBrowser(old).visit(trial.here, (session) =>
        session.update('count', (count = 0) => count + 1),
      )
      await createBrowser(old).visit(trial.there, (session) => session.set('lang', `${elapsed}`))
      trial.elapse(2_500)
    }

    expect(await whoIs(trial.here, old)).toBeUndefined()
    expect((await browser.begin(trial.there)).session.get('count')).toBe(4)
  })

  it('does not let the old id outlive the session', async () => {
    const trial = createTrial({ absoluteTimeout: '1h', idleTimeout: '1h' })
    const browser = await createUser(trial)
    const old = browser.id
    trial.elapse(3_600_000 - 1_000)
    await browser.visit(trial.here, (session) => session.regenerate())

    trial.elapse(1_000)

    expect(await whoIs(trial.here, old)).toBeUndefined()
    expect(await whoIs(trial.here, browser.id)).toBeUndefined()
  })

  it('takes the grace that it is told', async () => {
    const trial = createTrial({ regenerateGrace: '2s' })
    const browser = await createUser(trial)
    const old = browser.id
    await browser.visit(trial.here, (session) => session.regenerate())

    trial.elapse(1_999)
    const within = await whoIs(trial.here, old)
    trial.elapse(1)

    expect([within, await whoIs(trial.here, old)]).toEqual(['ada', undefined])
  })

  it.for(['one server', 'two servers'])('ends in one id for ten parallel requests on %s', async (where) => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const requests = await Promise.all(
      Array.from({ length: 10 }, (_, at) =>
        browser.copy().begin(where === 'two servers' && at % 2 === 0 ? trial.there : trial.here),
      ),
    )

    await Promise.all(requests.map(({ session }) => session.regenerate()))
    await Promise.all(requests.map(({ exchange }) => exchange.end()))

    expect(new Set(requests.map(({ exchange }) => idIn(exchange))).size).toBe(1)
    expect(await whoIs(trial.here, idIn(requests[0]?.exchange ?? { cookies: [] }))).toBe('ada')
    expect(await trial.here.of('ada').list()).toHaveLength(1)
  })

  it('happens by itself when a session is used whose id is old, once for parallel requests', async () => {
    const trial = createTrial({ regenerateInterval: '5m' })
    const happened = listen(trial.here)
    const browser = await createUser(trial)
    const old = browser.id
    trial.elapse(5 * 60_000 - 1)
    await browser.visit(trial.here)
    const early = browser.id
    trial.elapse(1)

    const visits = await Promise.all(Array.from({ length: 5 }, () => browser.copy().visit(trial.here)))

    expect(early).toBe(old)
    const ids = new Set(visits.map(({ exchange }) => idIn(exchange)))
    expect(ids.size).toBe(1)
    expect(ids.has(old)).toBe(false)
    expect(happened.filter(({ name }) => name === 'rotated')).toHaveLength(1)
    expect(visits.map(({ session }) => session.principal)).toEqual(Array(5).fill('ada'))
  })
})
