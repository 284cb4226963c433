import { describe, expect, it } from 'vitest'
import {
  before,
  createBrowser,
  createGate,
  createTrial,
  createUser,
  createVisitor,
  type StoreCall,
  whoIs,
} from '../../test/support/session-trial.ts'

const isWrite = ({ method }: StoreCall): boolean => method === 'write'

describe('Session in a race with itself', () => {
  it('keeps what is set while its first record is being stored', async () => {
    const trial = createTrial()
    const browser = createBrowser()

    await browser.visit(trial.here, async (session) => {
      const update = session.update('cart', () => ['coat'])
      session.set('lang', 'ko')
      await update
    })

    const { session } = await browser.begin(trial.there)
    expect(session.get('cart')).toEqual(['coat'])
    expect(session.get('lang')).toBe('ko')
  })

  it('keeps what is set while a login is being stored', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    await browser.visit(trial.here, async (session) => {
      const login = session.login('ada')
      await Promise.resolve()
      session.set('lang', 'ko')
      await login
    })

    const { session } = await browser.begin(trial.there)
    expect(session.principal).toBe('ada')
    expect(session.get('lang')).toBe('ko')
  })

  it('resolves an update to what was stored, whatever is read meanwhile', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)
    await browser.visit(trial.there, (other) => other.update('count', () => 5))
    let writes = 0
    trial.store.intercept = async (call, next) => {
      const result = await next()
      // The second write wins; the handler looks at its session before the answer is in.
      if (isWrite(call) && ++writes === 2) session.get('count')
      return result
    }

    const result = await session.update('count', (count = 0) => count + 1)

    expect(result).toBe(6)
  })

  it('shows a flash message to one of two servers even when it is looked at meanwhile', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    await browser.visit(trial.here, (session) => session.set('notice', 'welcome'))
    const one = await browser.begin(trial.here)
    const other = await browser.begin(trial.there)
    const first = await other.session.take('notice')
    let writes = 0
    trial.store.intercept = async (call, next) => {
      const result = await next()
      if (isWrite(call) && ++writes === 2) one.session.get('notice')
      return result
    }

    const second = await one.session.take('notice')

    expect([first, second]).toEqual(['welcome', undefined])
  })

  it('reads other attributes while an update that will fail is under way', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)

    const update = session.update('count', () => {
      throw new RangeError('no')
    })

    expect(session.get('cart')).toEqual(['coat'])
    await expect(update).rejects.toThrow('no')
  })

  it('holds the answer back for an update that the handler did not wait for', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    const gate = createGate()
    trial.store.intercept = async (call, next) => {
      if (isWrite(call)) await gate.passed
      return next()
    }
    let left = false

    const update = session.update('count', () => 1)
    const end = exchange.end().then(() => (left = true))
    await new Promise((resolve) => setImmediate(resolve))
    const leftEarly = left
    gate.open()
    await Promise.all([update, end])

    expect(leftEarly).toBe(false)
    expect(left).toBe(true)
  })

  it('stays with the user when an update from before the login is told late that it was stored', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    await session.update('count', () => 1)
    const gate = createGate()
    let held = false
    trial.store.intercept = async (call, next) => {
      const result = await next()
      if (isWrite(call) && !held) {
        held = true
        await gate.passed
      }
      return result
    }

    const update = session.update('count', (count = 0) => count + 1)
    await Promise.resolve()
    await Promise.resolve()
    const login = session.login('ada')
    setImmediate(gate.open)
    await Promise.all([update, login])

    expect(session.principal).toBe('ada')
    expect(session.get('count')).toBe(2)
    await session.destroy()
    await exchange.end()
    expect(await trial.here.of('ada').list()).toEqual([])
  })
})

describe('Session in a race with other requests', () => {
  it('lets the old id live no longer when its use is recorded just after a rotation', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const old = browser.id
    trial.elapse(10 * 60_000)
    before(
      trial.store,
      ({ method }) => method === 'touch',
      async () => {
        const { session, exchange } = await createBrowser(old).begin(trial.there)
        await session.regenerate()
        await exchange.end()
      },
    )

    await createBrowser(old).visit(trial.here)
    await new Promise((resolve) => setImmediate(resolve))
    trial.elapse(10_001)

    expect(await whoIs(trial.there, old)).toBeUndefined()
  })

  it('leads both earlier ids to the newest when a request rotates that had been overtaken', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const slow = await browser.copy().begin(trial.here)
    const rotated = browser.copy()
    await rotated.visit(trial.there, (session) => session.regenerate())

    await slow.session.update('count', () => 1)
    await slow.session.regenerate()
    await slow.exchange.end()

    expect(await whoIs(trial.there, browser.id)).toBe('ada')
    expect(await whoIs(trial.there, rotated.id)).toBe('ada')
  })

  it('leaves the cookie of a login alone when a visitor is rotated by a parallel request', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const slow = await browser.copy().begin(trial.here)
    await browser.visit(trial.there, (session) => session.login('ada'))

    await slow.session.regenerate().catch(() => undefined)
    await slow.exchange.end().catch(() => undefined)

    expect(slow.exchange.cookies).toEqual([])
  })

  it('leaves the cookie of a login alone when a visitor is ended by a parallel request', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const slow = await browser.copy().begin(trial.here)
    await browser.visit(trial.there, (session) => session.login('ada'))

    await slow.session.destroy()
    await slow.exchange.end()

    expect(slow.exchange.cookies).toEqual([])
  })

  it('does not send a visitor its old cookie again after a login by a parallel request', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const twice = createBrowser()
    twice.cookies.set('__Host-session', `${browser.id}; __Host-session=${'A'.repeat(43)}`)
    const slow = await twice.begin(trial.here)
    await browser.visit(trial.there, (session) => session.login('ada'))

    await slow.session.update('count', () => 1).catch(() => undefined)
    await slow.exchange.end().catch(() => undefined)

    expect(slow.exchange.cookies.filter((cookie) => /=[\w-]{43};/.test(cookie))).toEqual([])
  })

  it('keeps its own session when it ends all others after a parallel request rotated it', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const slow = await browser.copy().begin(trial.here)
    await browser.visit(trial.there, (session) => session.regenerate())

    await trial.here.of('ada').revoke({ except: slow.session })

    expect(await whoIs(trial.there, browser.id)).toBe('ada')
  })

  it('ends a session by the handle that was listed before a rotation', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const [listed] = await trial.here.of('ada').list()
    await browser.visit(trial.there, (session) => session.regenerate())

    const ended = await trial.here.of('ada').revoke(listed?.handle ?? '')

    expect(ended).toBe(1)
    expect(await whoIs(trial.there, browser.id)).toBeUndefined()
  })

  it("ends nobody else's session by a handle from before a rotation", async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const [listed] = await trial.here.of('ada').list()
    await browser.visit(trial.there, (session) => session.regenerate())

    const ended = await trial.here.of('eve').revoke(listed?.handle ?? '')

    expect(ended).toBe(0)
    expect(await whoIs(trial.there, browser.id)).toBe('ada')
  })

  it('keeps what was stored while a lost login is repeated', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const visitor = browser.id
    const lost = browser.copy()
    await lost.visit(trial.here, (session) => session.login('ada'))
    before(
      trial.store,
      ({ method }) => method === 'create',
      () => lost.visit(trial.there, (session) => session.update('cart', (cart = []) => [...cart, 'hat'])),
    )

    const again = createBrowser(visitor)
    await again.visit(trial.here, (session) => session.login('ada'))

    const { session } = await again.begin(trial.there)
    expect(session.get('cart')).toEqual(['coat', 'hat'])
  })
})
