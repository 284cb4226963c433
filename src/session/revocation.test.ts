import { describe, expect, it } from 'vitest'
import type { Session } from 'coatcheck'
import {
  type Browser,
  createBrowser,
  createTrial,
  createUser,
  type FakeExchange,
  type Shop,
  type Trial,
  whoIs,
} from '../../test/support/session-trial.ts'

type Step = (session: Session<Shop>) => unknown

/** What a request may be doing while its session is ended. */
const operations: Readonly<Record<string, Step>> = {
  update: (session) => session.update('count', (count = 0) => count + 1),
  'set and commit': (session) => {
    session.set('lang', 'ko')
    return session.commit()
  },
  'set before the headers': (session) => session.set('lang', 'ko'),
  take: (session) => session.take('notice'),
  regenerate: (session) => session.regenerate(),
  'update and regenerate': async (session) => {
    await session.update('count', () => 1)
    await session.regenerate()
  },
  touch: () => undefined,
}

/** Who may end a session, and how. */
const ends: Readonly<Record<string, (trial: Trial, browser: Browser, handle: string) => Promise<unknown>>> = {
  'a logout on this server': (trial, browser) =>
    browser.copy().visit(trial.here, (session) => session.destroy()),
  'a logout on another server': (trial, browser) =>
    browser.copy().visit(trial.there, (session) => session.destroy()),
  'an operator': (trial, _browser, handle) => trial.there.revoke(handle),
  'its user, everywhere': (trial) => trial.there.of('ada').revoke(),
}

const cases = Object.entries(operations).flatMap(([operation, step]) =>
  Object.entries(ends).map(([by, end]) => ({ operation, step, by, end })),
)

async function prepare(): Promise<{ trial: Trial; browser: Browser; handle: string }> {
  const trial = createTrial()
  const browser = await createUser(trial, 'ada', { cart: ['coat'] })
  await browser.visit(trial.here, (session) => session.set('notice', 'hello'))
  trial.elapse(5 * 60_000)
  const [info] = await trial.here.of('ada').list()
  return { trial, browser, handle: info?.handle ?? '' }
}

/** Runs an operation with the session ended at one store call; says whether there was such a call. */
async function endAt(at: number, side: 'before' | 'after', { step, end }: (typeof cases)[number]) {
  const { trial, browser, handle } = await prepare()
  const old = browser.id
  let calls = 0
  let reached = false
  trial.store.intercept = async (_call, next) => {
    if (reached || calls++ !== at) return next()
    reached = true
    if (side === 'before') await end(trial, browser, handle)
    const result = await next()
    if (side === 'after') await end(trial, browser, handle)
    return result
  }
  const answered = await browser.visit(trial.here, step as (session: Session<Shop>) => Promise<void>).then(
    ({ exchange }) => exchange,
    () => undefined,
  )
  await new Promise((resolve) => setImmediate(resolve))
  return { trial, reached, ids: [old, browser.id, ...cookiesOf(answered)] }
}

function cookiesOf(exchange: FakeExchange | undefined): (string | undefined)[] {
  return exchange?.cookies.map((cookie) => /=([\w-]{43});/.exec(cookie)?.[1]) ?? []
}

describe('a session that was ended', () => {
  it.for(cases)('stays ended by $by at every store call of: $operation', async (trialCase) => {
    let interleavings = 0
    for (const side of ['before', 'after'] as const) {
      for (let at = 0; ; at++) {
        const { trial, reached, ids } = await endAt(at, side, trialCase)
        if (!reached) break
        interleavings++
        for (const id of ids) expect(await whoIs(trial.there, id), `${side} call ${at}`).toBeUndefined()
        expect(await trial.there.of('ada').list(), `${side} call ${at}`).toEqual([])
        trial.close()
      }
    }

    expect(interleavings).toBeGreaterThan(1)
  })

  it('tells a late writer that it is gone, clears the cookie and stores nothing', async () => {
    const { trial, browser, handle } = await prepare()
    const { session, exchange } = await browser.begin(trial.here)
    await trial.there.revoke(handle)
    const creates = trial.store.count('create')

    session.set('lang', 'ko')
    const outcome = await session.commit()
    const updated = await session.update('count', () => 1)
    await exchange.end()

    expect([outcome, updated, session.get('cart'), session.isNew]).toEqual([
      'gone',
      undefined,
      undefined,
      true,
    ])
    expect(exchange.cookies).toEqual(['__Host-session=; Path=/; Max-Age=0; HttpOnly; Secure; SameSite=Lax'])
    expect(trial.store.count('create')).toBe(creates)
    expect(await trial.store.read(handle)).toBeUndefined()
  })

  it('tells a rotation that it is gone, and leaves no record of the new id', async () => {
    const { trial, browser, handle } = await prepare()
    const { session, exchange } = await browser.begin(trial.here)
    await trial.there.revoke(handle)

    await session.regenerate()
    await exchange.end()

    expect(session.isNew).toBe(true)
    expect(exchange.cookies).toEqual([expect.stringContaining('Max-Age=0')])
    const created = trial.store.calls.findLast(({ method }) => method === 'create')?.key ?? ''
    expect(await trial.store.read(created)).toBeUndefined()
  })

  it('is ended wherever it moved, by the id, the handle or the request from before', async () => {
    const ways: ((trial: Trial, old: Browser, handle: string) => Promise<unknown>)[] = [
      (trial, old) => old.visit(trial.there, (session) => session.destroy()),
      (trial, _old, handle) => trial.there.revoke(handle),
    ]
    for (const way of ways) {
      const { trial, browser, handle } = await prepare()
      const old = browser.copy()
      for (let times = 0; times < 3; times++) {
        await browser.visit(trial.here, (session) => session.regenerate())
      }

      await way(trial, old, handle)

      expect(await whoIs(trial.here, browser.id)).toBeUndefined()
      expect(await trial.here.of('ada').list()).toEqual([])
    }
  })

  it('is ended in its successor by a request that was loaded before the rotation', async () => {
    const { trial, browser } = await prepare()
    const slow = await browser.copy().begin(trial.there)
    await browser.visit(trial.here, (session) => session.regenerate())

    await slow.session.destroy()

    expect(await whoIs(trial.here, browser.id)).toBeUndefined()
  })

  it('gives way to a new visitor when its own request goes on after the logout', async () => {
    const { trial, browser } = await prepare()
    const old = browser.id

    await browser.visit(trial.here, async (session) => {
      await session.destroy()
      session.set('notice', 'bye')
    })

    const { session } = await browser.begin(trial.there)
    expect(browser.id).not.toBe(old)
    expect([session.principal, session.get('notice'), session.get('cart')]).toEqual([
      undefined,
      'bye',
      undefined,
    ])
    expect(await whoIs(trial.there, old)).toBeUndefined()
  })

  it('is ended once: one of several callers is told so', async () => {
    const { trial, handle } = await prepare()

    const told = await Promise.all([
      trial.here.revoke(handle),
      trial.there.revoke(handle),
      trial.here.of('ada').revoke(handle),
      trial.there.of('ada').revoke(),
    ])

    expect(told.filter((answer) => answer === true || answer === 1)).toHaveLength(1)
  })

  it('does not end when somebody else names its handle', async () => {
    const { trial, browser, handle } = await prepare()

    expect(await trial.here.of('eve').revoke(handle)).toBe(0)
    expect(await trial.here.of(undefined).revoke(handle)).toBe(0)
    expect(await trial.here.revoke('nobody')).toBe(false)

    expect(await whoIs(trial.there, browser.id)).toBe('ada')
  })

  it('is not ended with all others when it is the one excepted', async () => {
    const { trial, browser } = await prepare()
    const others = await Promise.all([createUser(trial), createUser(trial), createUser(trial, 'eve')])
    const { session } = await browser.begin(trial.here)

    const ended = await trial.here.of('ada').revoke({ except: session })

    expect(ended).toBe(2)
    expect(await Promise.all([browser, ...others].map(({ id }) => whoIs(trial.there, id)))).toEqual([
      'ada',
      undefined,
      undefined,
      'eve',
    ])
  })

  it.each(['a new id while the others end', 'the others ended while it gets a new id'] as const)(
    'stays when it is the one excepted, at every store call: %s',
    async (which) => {
      let interleavings = 0
      for (let at = 0; ; at++) {
        const { trial, browser, handle } = await prepare()
        const other = await createUser(trial)
        const rotate = () => browser.copy().visit(trial.here, (session) => session.regenerate())
        const revoke = () => trial.there.of('ada').revoke({ except: { handle } })
        const [outer, inner] = which.startsWith('a new id') ? [revoke, rotate] : [rotate, revoke]
        let calls = 0
        let reached = false
        trial.store.intercept = async (_call, next) => {
          if (reached || calls++ !== at) return next()
          reached = true
          await inner()
          return next()
        }

        await outer()

        trial.store.intercept = (_call, next) => next()
        if (!reached) break
        interleavings++
        expect(await whoIs(trial.there, browser.id), `before call ${at}`).toBe('ada')
        expect(await whoIs(trial.there, other.id), `before call ${at}`).toBeUndefined()
        expect(await trial.here.of('ada').list()).toHaveLength(1)
        trial.close()
      }

      expect(interleavings).toBeGreaterThan(2)
    },
  )

  it('has no attributes for those who hold an id that was never one', async () => {
    const { trial } = await prepare()

    const { session } = await createBrowser('N'.repeat(43)).begin(trial.here)

    expect(session.get('cart')).toBeUndefined()
  })
})
