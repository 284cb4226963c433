import { describe, expect, it } from 'vitest'
import { SessionTooLargeError } from 'coatcheck'
import {
  before,
  createBrowser,
  createTrial,
  createVisitor,
  type StoreCall,
} from '../../test/support/session-trial.ts'

const isWrite = ({ method }: StoreCall): boolean => method === 'write'

describe('Session.set()', () => {
  it('keeps parallel sets of different attributes on two servers', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    await Promise.all(
      Array.from({ length: 40 }, (_, at) =>
        browser
          .copy()
          .visit(at % 2 === 0 ? trial.here : trial.there, (session) => session.set(`note${at}`, at)),
      ),
    )

    const { session } = await browser.begin(trial.here)
    for (let at = 0; at < 40; at++) expect(session.get(`note${at}`)).toBe(at)
    expect(session.get('cart')).toEqual(['coat'])
  })

  it('keeps the other attributes when another server removed one meanwhile', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    await browser.visit(trial.here, (session) => session.set('lang', 'ko'))
    before(trial.store, isWrite, () => browser.copy().visit(trial.there, (other) => other.delete('lang')))

    await browser.visit(trial.here, (session) => session.set('count', 1))

    const { session } = await browser.begin(trial.there)
    expect([session.get('lang'), session.get('count'), session.has('lang')]).toEqual([undefined, 1, false])
  })

  it('lets the last of several sets of one request stay', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    await browser.visit(trial.here, async (session) => {
      session.set('count', 1)
      session.set('count', 2)
      await session.update('count', (count = 0) => count * 10)
      session.set('lang', 'en')
      session.set('lang', 'ko')
    })

    const { session } = await browser.begin(trial.there)
    expect([session.get('count'), session.get('lang')]).toEqual([20, 'ko'])
  })
})

describe('Session.update()', () => {
  it('applies every one of 50 parallel updates of one attribute on two servers', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    trial.store.intercept = async (_call, next) => {
      await new Promise((resolve) => setImmediate(resolve))
      return next()
    }

    const results = await Promise.all(
      Array.from({ length: 50 }, (_, at) =>
        browser
          .copy()
          .visit(at % 2 === 0 ? trial.here : trial.there, (session) =>
            session.update('count', (count = 0) => count + 1),
          ),
      ),
    )

    const { session } = await browser.begin(trial.here)
    expect(session.get('count')).toBe(50)
    // Each was told the value that it made.
    expect(new Set(results.map(({ result }) => result)).size).toBe(50)
  })

  it('follows a session that a parallel request rotated', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const slow = await browser.copy().begin(trial.there)
    await browser.visit(trial.here, (session) => session.regenerate())

    const cart = await slow.session.update('cart', (cart = []) => [...cart, 'hat'])

    expect(cart).toEqual(['coat', 'hat'])
    expect((await browser.begin(trial.here)).session.get('cart')).toEqual(['coat', 'hat'])
  })

  it('rejects with what its function throws, and stores the changes of everybody else', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const guilty = await browser.copy().begin(trial.here)
    const innocent = await browser.copy().begin(trial.here)
    guilty.session.set('lang', 'ko')

    const settled = await Promise.allSettled([
      innocent.session.update('count', () => 1),
      guilty.session.update('count', () => {
        throw new RangeError('sold out')
      }),
      innocent.session.update('notice', () => 'bought'),
    ])
    await guilty.exchange.end()

    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(settled[1]).toMatchObject({ reason: new RangeError('sold out') })
    const { session } = await browser.begin(trial.there)
    expect([session.get('count'), session.get('notice'), session.get('lang')]).toEqual([1, 'bought', 'ko'])
  })

  it('refuses an asynchronous function and stores nothing', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)

    const update = session.update('count', (async () => 1) as unknown as () => number)

    await expect(update).rejects.toThrow(/^Cannot update session attribute 'count' by an async function/)
    expect((await browser.begin(trial.there)).session.has('count')).toBe(false)
  })

  it('removes the attribute when its function returns undefined', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    const { result } = await browser.visit(trial.here, (session) => session.update('cart', () => undefined))

    expect(result).toBeUndefined()
    expect((await browser.begin(trial.there)).session.has('cart')).toBe(false)
  })

  it('creates one session when a stranger makes several updates at once', async () => {
    const trial = createTrial()
    const browser = createBrowser()

    await browser.visit(trial.here, (session) =>
      Promise.all([1, 2, 3].map((item) => session.update('cart', (cart = []) => [...cart, String(item)]))),
    )

    expect((await browser.begin(trial.there)).session.get('cart')).toEqual(['1', '2', '3'])
    expect(trial.store.count('create')).toBe(1)
  })

  it('gives up with ERR_SESSION_CONFLICT when other writers win for two seconds', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    trial.store.intercept = async (call, next) => (isWrite(call) ? { outcome: 'conflict' } : next())

    const { session } = await browser.begin(trial.here)

    await expect(session.update('count', () => 1)).rejects.toMatchObject({
      code: 'ERR_SESSION_CONFLICT',
      status: 503,
      headers: { 'Retry-After': '1' },
    })
  })
})

describe('Session.take()', () => {
  it('shows a flash message to exactly one of parallel requests', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    await browser.visit(trial.here, (session) => session.set('notice', 'welcome'))

    const visits = await Promise.all(
      [trial.here, trial.there, trial.here, trial.there].map((server) =>
        browser.copy().visit(server, (session) => session.take('notice')),
      ),
    )

    expect(visits.map(({ result }) => result).filter((notice) => notice !== undefined)).toEqual(['welcome'])
    expect((await browser.begin(trial.here)).session.has('notice')).toBe(false)
  })

  it('writes nothing when there is nothing to take', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    const { result } = await browser.visit(trial.here, (session) => session.take('notice'))

    expect(result).toBeUndefined()
    expect(trial.store.count('write')).toBe(0)
  })
})

describe('commits of one process', () => {
  it('stores what 50 parallel requests change in a few writes', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const requests = await Promise.all(Array.from({ length: 50 }, () => browser.copy().begin(trial.here)))

    await Promise.all(requests.map(({ session }) => session.update('count', (count = 0) => count + 1)))

    expect((await browser.begin(trial.there)).session.get('count')).toBe(50)
    expect(trial.store.count('write')).toBeLessThanOrEqual(3)
  })

  it('refuses only the one that makes the session too large', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const requests = await Promise.all(Array.from({ length: 3 }, () => browser.copy().begin(trial.here)))
    const [one, large, other] = requests.map(({ session }) => session)

    const settled = await Promise.allSettled([
      one?.update('count', () => 1),
      large?.update('lang', () => 'x'.repeat(300_000)),
      other?.update('notice', () => 'hello'),
    ])

    expect(settled.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(settled[1]).toMatchObject({ reason: expect.any(SessionTooLargeError) as unknown })
    const { session } = await browser.begin(trial.there)
    expect([session.get('count'), session.has('lang'), session.get('notice')]).toEqual([1, false, 'hello'])
  })

  it('refuses a first record that is too large, and stores none', async () => {
    const trial = createTrial()
    const browser = createBrowser()
    const { session } = await browser.begin(trial.here)

    const update = session.update('lang', () => 'x'.repeat(300_000))

    await expect(update).rejects.toMatchObject({ code: 'ERR_SESSION_TOO_LARGE', status: 413 })
    expect(trial.store.count('create')).toBe(0)
  })
})
