import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  createBrowser,
  createGate,
  createTrial,
  createUser,
  createVisitor,
  listen,
} from '../../test/support/session-trial.ts'

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

afterEach(() => vi.restoreAllMocks())

describe('an answer', () => {
  it.for(['a stranger', 'a visitor'])('waits until what %s set is stored', async (who) => {
    const trial = createTrial()
    const browser = who === 'a visitor' ? await createVisitor(trial) : createBrowser()
    const gate = createGate()
    const stored: string[] = []
    trial.store.intercept = async (call, next) => {
      if (call.method === 'read') return next()
      await gate.passed
      const result = await next()
      stored.push(call.method)
      return result
    }
    const { session, exchange } = await browser.begin(trial.here)
    let left = false

    session.set('count', 1)
    const end = exchange.end().then(() => (left = true))
    await turn()
    const early = left
    gate.open()
    await end

    expect([early, stored]).toEqual([false, [who === 'a visitor' ? 'write' : 'create']])
    expect(exchange.cookies).toHaveLength(who === 'a visitor' ? 0 : 1)
  })

  it('leaves at once when all that was changed is stored', async () => {
    const trial = createTrial()
    const browser = createBrowser()
    const { session, exchange } = await browser.begin(trial.here)
    await session.update('count', () => 1)

    void exchange.end()

    expect(exchange.cookies).toHaveLength(1)
  })

  it('sends one cookie however often the id changed', async () => {
    const trial = createTrial()
    const browser = createBrowser()

    const { exchange } = await browser.visit(trial.here, async (session) => {
      await session.update('count', () => 1)
      await session.login('ada')
      await session.regenerate()
      session.set('lang', 'ko')
    })

    expect(exchange.cookies).toHaveLength(1)
    expect((await browser.begin(trial.there)).session).toMatchObject({ principal: 'ada' })
  })

  it('sends one cookie, that of the visitor after, when a logout is followed by a change', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)

    const { exchange } = await browser.visit(trial.here, async (session) => {
      await session.destroy()
      await session.update('notice', () => 'bye')
    })

    expect(exchange.cookies).toHaveLength(1)
    expect(exchange.cookies[0]).not.toContain('Max-Age=0')
  })

  it('does not leave when the store refused what it claims', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    trial.store.intercept = () => Promise.reject(new Error('away'))

    session.set('count', 1)

    await expect(exchange.end()).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
    expect(exchange.cookies).toEqual([])
  })
})

describe('a change after the answer has begun', () => {
  it('is thrown back at the developer', async () => {
    const trial = createTrial({ development: true })
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    await exchange.end()

    expect(() => session.set('count', 1)).toThrow(expect.objectContaining({ code: 'ERR_LATE_WRITE' }))
    await expect(session.login('ada')).rejects.toMatchObject({ code: 'ERR_LATE_WRITE' })
    await expect(session.regenerate()).rejects.toMatchObject({ code: 'ERR_LATE_WRITE' })
    expect(trial.store.count('write')).toBe(0)
  })

  it('is stored in production all the same, and told', async () => {
    const trial = createTrial({ development: false })
    const happened = listen(trial.here)
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    happened.length = 0
    await exchange.end()

    session.set('count', 1)
    await turn()

    expect(happened).toEqual([{ name: 'lateWrite', event: { handle: session.handle, principal: undefined } }])
    expect((await browser.begin(trial.there)).session.get('count')).toBe(1)
  })

  it.for([true, false])(
    'is refused to a stranger, who can get no cookie any more (development: %s)',
    async (development) => {
      const trial = createTrial({ development })
      const { session, exchange } = await createBrowser().begin(trial.here)
      await exchange.end()

      expect(() => session.set('count', 1)).toThrow(expect.objectContaining({ code: 'ERR_LATE_WRITE' }))
      await expect(session.update('count', () => 1)).rejects.toMatchObject({ code: 'ERR_LATE_WRITE' })
      await expect(session.login('ada')).rejects.toMatchObject({ code: 'ERR_LATE_WRITE' })
      expect(trial.store.count('create')).toBe(0)
    },
  )

  it.for([true, false])(
    'may be an update of a stored session, by a streaming handler (development: %s)',
    async (development) => {
      const trial = createTrial({ development })
      const happened = listen(trial.here)
      const browser = await createVisitor(trial)
      const { session, exchange } = await browser.begin(trial.here)
      happened.length = 0
      await exchange.end()

      const count = await session.update('count', (count = 0) => count + 1)
      await session.destroy()

      expect([count, exchange.cookies]).toEqual([1, []])
      expect(happened.map(({ name }) => name)).toEqual(['destroyed'])
    },
  )

  it('is not announced as an unhandled rejection when the store is away in production', async () => {
    const trial = createTrial({ development: false })
    const browser = await createVisitor(trial)
    const { session, exchange } = await browser.begin(trial.here)
    await exchange.end()
    trial.store.intercept = () => Promise.reject(new Error('away'))
    const unhandled = vi.fn<(reason: unknown) => void>()
    process.on('unhandledRejection', unhandled)

    session.set('count', 1)
    await turn()
    await turn()
    process.off('unhandledRejection', unhandled)

    expect(unhandled).not.toHaveBeenCalled()
  })
})

describe('the answer that sets a cookie', () => {
  it.for([
    [undefined, 'no-store'],
    ['public, max-age=60', 'no-store'],
    ['max-age=0', 'no-store'],
    ['private, max-age=60', 'private, max-age=60'],
    ['no-store', 'no-store'],
    ['Private', 'Private'],
  ] as const)('is cached by nobody but its visitor: %s becomes %s', async ([before, after]) => {
    const trial = createTrial()
    const browser = createBrowser()

    const { exchange } = await browser.visit(trial.here, (session, exchange) => {
      session.set('count', 1)
      if (before !== undefined) exchange.setResponseHeader('Cache-Control', before)
    })

    expect(exchange.responseHeader('cache-control')).toBe(after)
  })

  it('is cached by nobody when it clears the cookie', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)

    const { exchange } = await browser.visit(trial.here, (session) => session.destroy())

    expect(exchange.responseHeader('cache-control')).toBe('no-store')
  })
})
