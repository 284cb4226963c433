import { describe, expect, it } from 'vitest'
import {
  before,
  type Browser,
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  listen,
  type Sessions,
  whoIs,
} from '../../test/support/session-trial.ts'

const GRACE = 10_000

describe('Session.login()', () => {
  it('keeps what the visitor had and lists the session with its device', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    const { session } = await browser.visit(trial.here, async (session) => {
      session.set('lang', 'ko')
      await session.login('ada')
    })

    const next = await browser.begin(trial.there)
    expect([next.session.get('cart'), next.session.get('lang')]).toEqual([['coat'], 'ko'])
    expect(await trial.there.of('ada').list()).toEqual([
      {
        handle: session.handle,
        createdAt: trial.now(),
        lastSeenAt: trial.now(),
        expiresAt: session.expiresAt,
        remembered: false,
        device: { userAgent: 'Trial/1', address: '192.0.2.7' },
      },
    ])
  })

  it("carries nothing of another user's session along, and ends it", async () => {
    const trial = createTrial()
    const browser = await createUser(trial, 'ada', { cart: ['coat'] })
    const old = browser.id

    await browser.visit(trial.here, (session) => session.login('eve'))

    const { session } = await browser.begin(trial.there)
    expect([session.principal, session.get('cart')]).toEqual(['eve', undefined])
    expect(await whoIs(trial.there, old)).toBeUndefined()
    expect(await trial.here.of('ada').list()).toEqual([])
  })

  it('keeps the cart and leaves one session when it is repeated because its answer got lost', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const lost = browser.copy()
    await lost.visit(trial.here, (session) => session.login('ada'))

    await browser.visit(trial.there, (session) => session.login('ada'))

    const { session } = await browser.begin(trial.here)
    expect([session.principal, session.get('cart')]).toEqual(['ada', ['coat']])
    expect(await trial.here.of('ada').list()).toHaveLength(1)
    expect(await whoIs(trial.here, lost.id)).toBeUndefined()
  })

  it('recovers nothing for another user who comes with the id from before', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const lost = browser.copy()
    await lost.visit(trial.here, (session) => session.login('ada'))

    await browser.visit(trial.there, (session) => session.login('eve'))

    expect((await browser.begin(trial.here)).session.get('cart')).toBeUndefined()
    expect(await whoIs(trial.here, lost.id)).toBe('ada')
  })

  it('refuses a principal that is no text or an empty one', async () => {
    const trial = createTrial()
    const { session } = await createBrowser().begin(trial.here)

    for (const principal of ['', 7, undefined]) {
      await expect(session.login(principal as string)).rejects.toThrow(
        new TypeError('Cannot log in as principal must be a text that is not empty'),
      )
    }
    expect(trial.store.calls).toEqual([])
  })

  it('ends the least recently used sessions beyond the limit, and tells why', async () => {
    const trial = createTrial({ sessionLimit: 2 })
    const happened = listen(trial.here)
    const browsers: Browser[] = []
    for (let at = 0; at < 3; at++) {
      trial.elapse(1_000)
      browsers.push(await createUser(trial))
    }
    await createUser(trial, 'eve')

    expect(await Promise.all(browsers.map(({ id }) => whoIs(trial.there, id)))).toEqual([
      undefined,
      'ada',
      'ada',
    ])
    expect(happened.filter(({ name }) => name === 'revoked')).toEqual([
      { name: 'revoked', event: { handle: expect.any(String) as unknown, principal: 'ada', by: 'limit' } },
    ])
  })

  it('counts a session once towards the limit while it is being rotated', async () => {
    const trial = createTrial({ sessionLimit: 2 })
    const first = await createUser(trial)
    before(
      trial.store,
      ({ method }) => method === 'write',
      () => createUser({ here: trial.there }),
    )

    await first.visit(trial.here, (session) => session.regenerate())

    expect(await whoIs(trial.there, first.id)).toBe('ada')
    expect(await trial.there.of('ada').list()).toHaveLength(2)
  })

  it('goes on with what is set after a login by another user', async () => {
    const trial = createTrial()
    const browser = await createUser(trial, 'ada', { cart: ['coat'] })

    await browser.visit(trial.here, async (session) => {
      await session.login('eve')
      session.set('lang', 'ko')
    })

    const { session } = await browser.begin(trial.there)
    expect([session.principal, session.get('lang'), session.get('cart')]).toEqual(['eve', 'ko', undefined])
  })
})

describe('a visitor whose parallel request logged in', () => {
  async function supersede(): Promise<{
    here: Sessions
    there: Sessions
    old: Browser
    user: Browser
    elapse(ms: number): void
  }> {
    const trial = createTrial()
    const user = await createVisitor(trial)
    const old = user.copy()
    await user.visit(trial.here, (session) => session.login('ada'))
    return { ...trial, old, user }
  }

  it('reads as a stranger', async () => {
    const { there, old } = await supersede()

    const { session, exchange } = await old.begin(there)

    expect(session).toMatchObject({ superseded: true, isNew: true, principal: undefined, handle: undefined })
    expect([session.get('cart'), session.has('cart'), await session.take('notice')]).toEqual([
      undefined,
      false,
      undefined,
    ])
    expect((await there.explain(exchange))[0]).toContain('is the one from before a login')
  })

  it('cannot change anything, and gets no cookie whatever it tries', async () => {
    const { there, old, user } = await supersede()
    const superseded = { code: 'ERR_SESSION_SUPERSEDED', status: 409, headers: { 'Retry-After': '0' } }

    const { exchange } = await old.visit(there, async (session) => {
      expect(() => session.set('count', 1)).toThrow(expect.objectContaining(superseded))
      await expect(session.update('count', () => 1)).rejects.toMatchObject(superseded)
      session.delete('cart')
      await session.commit()
      await session.regenerate()
      await session.destroy()
    })

    expect(exchange.cookies).toEqual([])
    const { session } = await user.begin(there)
    expect([session.principal, session.get('cart'), session.get('count')]).toEqual([
      'ada',
      ['coat'],
      undefined,
    ])
  })

  it('is refused when the login came between its load and its change', async () => {
    const trial = createTrial()
    const user = await createVisitor(trial)
    const slow = await user.copy().begin(trial.there)
    await user.visit(trial.here, (session) => session.login('ada'))

    const update = slow.session.update('count', () => 1)

    await expect(update).rejects.toMatchObject({ code: 'ERR_SESSION_SUPERSEDED' })
    await slow.exchange.end()
    expect(slow.exchange.cookies).toEqual([])
    expect((await user.begin(trial.here)).session.has('count')).toBe(false)
  })

  it('is a stranger like any other when the grace is over', async () => {
    const { there, old, elapse } = await supersede()
    elapse(GRACE)

    const { session } = await old.visit(there, (session) => session.set('count', 1))

    expect([session.superseded, session.principal, session.get('count')]).toEqual([false, undefined, 1])
  })
})
