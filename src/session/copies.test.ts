import { afterEach, describe, expect, it } from 'vitest'
import {
  COOKIE,
  createBrowser,
  createTrial,
  type Sessions,
  type Shop,
} from '../../test/support/session-trial.ts'
import { type IndexedSessionStore, type StoredSession, StoreUnavailableError } from '../stores/store.ts'
import { createSessions, type SessionsOptions } from './sessions.ts'

const closings: (() => void)[] = []
afterEach(() => {
  for (const close of closings.splice(0)) close()
})

/** One server whose copies a test fills and empties by hand, on a back end that it shares with another server. */
function createCopyTrial(options: SessionsOptions = {}) {
  const trial = createTrial()
  closings.push(trial.close)
  const copies = new Map<string, StoredSession>()
  const kept = new Map<string, StoredSession>()
  const floors: number[] = []
  const live = (stored: StoredSession | undefined, now: number) =>
    stored && stored.expiresAt > now ? stored : undefined
  const store: IndexedSessionStore = {
    ...trial.store,
    copies: {
      peek(key, now, atLeast) {
        floors.push(atLeast)
        const copy = live(copies.get(key), now)
        return copy && copy.version >= atLeast ? copy : undefined
      },
      stale: (key, now) => live(kept.get(key), now),
      fresh: (key) => trial.store.read(key),
      stamp: (_key, version) => `v${version}`,
      floor: (_key, stamp) => (/^v\d+$/.test(stamp) ? Number(stamp.slice(1)) : 0),
    },
  }
  const copying: Sessions = createSessions<Shop>(store, { now: trial.now, development: true, ...options })
  closings.push(() => copying.close())
  return {
    ...trial,
    copying,
    copies,
    kept,
    floors,
    /** Copies what the store has now. */
    async copy(key: string | undefined, into = copies) {
      const stored = await trial.store.read(key ?? '')
      if (stored) into.set(stored.key, stored)
    },
  }
}

describe('createSessions() on a store with copies', () => {
  it('serves a session from its copy without asking the store', async () => {
    const { copying, store, copy } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.login('ada'))
    await copy(session.handle)
    const asked = store.calls.length

    const visit = await browser.visit(copying)

    expect(visit.session.principal).toBe('ada')
    expect(store.calls).toHaveLength(asked)
  })

  it('sends the version along with the id after every write, and demands it on the next request', async () => {
    const { copying, floors } = createCopyTrial()
    const browser = createBrowser()
    await browser.visit(copying, (session) => session.set('count', 1))
    const created = browser.cookies.get(COOKIE)

    await browser.visit(copying, (session) => session.set('count', 2))
    const written = browser.cookies.get(COOKIE)
    floors.length = 0
    await browser.visit(copying)

    expect(created).toMatch(/^[\w-]{43}\.v1$/)
    expect(written).toBe(created?.replace(/v1$/, 'v2'))
    expect(floors).toEqual([2])
  })

  it('reads its own write on a server whose copy is older', async () => {
    const { copying, copy, there } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.set('count', 1))
    await copy(session.handle)
    const id = browser.id?.slice(0, 43)
    await createBrowser(id).visit(there, (own) => own.set('count', 2))

    const old = await createBrowser(id).visit(copying, (own) => own.get('count'))
    const own = await createBrowser(`${id}.v2`).visit(copying, (loaded) => loaded.get('count'))

    expect([old.result, own.result]).toEqual([1, 2])
  })

  it('takes the cookie of such a store where there are no copies, and refuses what is no stamp', async () => {
    const { copying, here, store } = createCopyTrial()
    const browser = createBrowser()
    await browser.visit(copying, (session) => session.set('count', 1))
    const id = browser.id?.slice(0, 43) ?? ''

    const plain = await createBrowser(`${id}.v1`).visit(here, (session) => session.get('count'))
    const asked = store.calls.length
    const malformed = await Promise.all(
      ['.', '.v 1', `.${'v'.repeat(65)}`, 'v1', '.v1.v1'].map((tail) =>
        createBrowser(id + tail).visit(here, (session) => session.isNew),
      ),
    )

    expect(plain.result).toBe(1)
    expect(malformed.map(({ result }) => result)).toEqual([true, true, true, true, true])
    expect(store.calls).toHaveLength(asked)
  })

  it('merges a conflict on what the store has, not on the copy', async () => {
    const { copying, copy, there } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.set('count', 1))
    await copy(session.handle)
    await createBrowser(browser.id).visit(there, (own) => own.update('count', (count = 0) => count + 10))

    const { result } = await createBrowser(browser.id).visit(copying, (own) =>
      own.update('count', (count = 0) => count + 100),
    )

    expect(result).toBe(111)
  })

  it('sees by fresh() that a session was ended elsewhere, and clears its cookie', async () => {
    const { copying, copy, there } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.login('ada'))
    await copy(session.handle)
    await there.revoke(session.handle ?? '')

    const { result } = await browser.visit(copying, async (own) => [
      own.principal,
      await own.fresh(),
      own.principal,
    ])

    expect(result).toEqual(['ada', false, undefined])
    expect(browser.id).toBeUndefined()
  })

  it('keeps uncommitted changes on top of what fresh() has read', async () => {
    const { copying, copy, there } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.set('count', 1))
    await copy(session.handle)
    await createBrowser(browser.id).visit(there, (own) => own.set('count', 2))

    const { result } = await createBrowser(browser.id?.slice(0, 43)).visit(copying, async (own) => {
      own.set('lang', 'ko')
      return [await own.fresh(), own.get('count'), own.get('lang')]
    })

    expect(result).toEqual([true, 2, 'ko'])
  })

  it('has nothing to read again for a stranger', async () => {
    const { copying } = createCopyTrial()

    const { result } = await createBrowser().visit(copying, (session) => session.fresh())

    expect(result).toBe(false)
  })

  it('goes on from copies while the breaker is open', async () => {
    const { copying, copy, store } = createCopyTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(copying, (own) => own.login('ada'))
    await copy(session.handle)
    store.intercept = () => Promise.reject(new Error('ECONNREFUSED'))
    for (let at = 0; at < 3; at++) await copying.revoke('handle').catch(() => undefined)

    const visit = await browser.visit(copying)

    expect(visit.session.principal).toBe('ada')
  })
})

describe("createSessions() with the outage policy 'stale'", () => {
  async function createOutage(options: SessionsOptions = { outage: 'stale' }) {
    const trial = createCopyTrial(options)
    const browser = createBrowser()
    const { session } = await browser.visit(trial.copying, (own) => own.login('ada'))
    await trial.copy(session.handle, trial.kept)
    trial.store.intercept = () => Promise.reject(new Error('ECONNREFUSED'))
    return { ...trial, browser }
  }

  it('gets by with a copy while the store is away, but stores nothing', async () => {
    const { copying, browser } = await createOutage()

    const { session } = await browser.begin(copying)

    expect(session.principal).toBe('ada')
    await expect(session.update('count', () => 1)).rejects.toBeInstanceOf(StoreUnavailableError)
  })

  it('fails without a copy', async () => {
    const { copying, browser, kept } = await createOutage()
    kept.clear()

    await expect(browser.begin(copying)).rejects.toBeInstanceOf(StoreUnavailableError)
  })

  it('does not hand a copy to a route that asks for more', async () => {
    const { copying, browser } = await createOutage({})
    const { exchange, session } = await browser.begin(copying, { outage: 'stale' })

    expect(session.principal).toBe('ada')
    await expect(copying.load(exchange, { outage: 'fail' })).rejects.toBeInstanceOf(StoreUnavailableError)
  })

  it('is refused on a store without copies, at construction and by the route', async () => {
    const { here, store } = createCopyTrial()
    const words = "Cannot use the outage policy 'stale' as the watched store keeps no copies"

    expect(() => createSessions(store, { outage: 'stale' })).toThrow(words)
    await expect(createBrowser().begin(here, { outage: 'stale' })).rejects.toThrow(words)
  })
})

describe('createSessions() on a store whose keys are spread over nodes', () => {
  it('creates a session under another id when the node of the first refuses', async () => {
    const { here, store } = createCopyTrial()
    let refusals = 0
    store.intercept = ({ method }, next) =>
      method === 'create' && refusals++ === 0 ? Promise.reject(new Error('ECONNREFUSED')) : next()

    const { session } = await createBrowser().visit(here, (own) => own.login('ada'))

    expect(session.principal).toBe('ada')
    expect(store.count('create')).toBe(2)
  })

  it('lets requests through while every other call succeeds', async () => {
    const { here, store } = createCopyTrial()
    const browser = createBrowser()
    await browser.visit(here, (session) => session.login('ada'))
    let calls = 0
    store.intercept = (_call, next) =>
      (calls += 1) % 3 === 0 ? next() : Promise.reject(new Error('ECONNREFUSED'))

    const answers = await Promise.allSettled(Array.from({ length: 30 }, () => browser.copy().begin(here)))

    expect(answers.filter(({ status }) => status === 'fulfilled')).toHaveLength(10)
    expect(calls).toBe(30)
  })
})

describe('createSessions() on a store that ends sessions without finding them', () => {
  function createRevoking() {
    const { store, now, close } = createTrial()
    closings.push(close)
    const { list, ...plain } = store
    const sessions = createSessions<Shop>(
      {
        ...plain,
        async revokeAll(principal: string, except?: string) {
          for (const { key } of await list(principal)) if (key !== except) await store.delete(key)
        },
      },
      { now, development: true },
    )
    closings.push(() => sessions.close())
    return { sessions, server: sessions as unknown as Sessions }
  }

  it('logs a user out everywhere, but for one session, and tells of it', async () => {
    const { sessions, server } = createRevoking()
    const [one, other] = [createBrowser(), createBrowser()]
    await one.visit(server, (session) => session.login('ada'))
    await other.visit(server, (session) => session.login('ada'))
    const events: object[] = []
    sessions.on('revokedAll', (event) => events.push(event))

    const { session } = await one.visit(server, (own) => sessions.of('ada').revoke({ except: own }))
    const left = await Promise.all([one, other].map((browser) => browser.visit(server)))

    expect(left.map((visit) => visit.session.principal)).toEqual(['ada', undefined])
    expect(events).toEqual([{ principal: 'ada', except: session.handle }])
  })

  it("ends one session by its handle, if it is that user's", async () => {
    const { sessions, server } = createRevoking()
    const browser = createBrowser()
    const { session } = await browser.visit(server, (own) => own.login('ada'))
    const handle = session.handle ?? ''

    await sessions.of('eve').revoke(handle)
    const before = await browser.copy().visit(server)
    await sessions.of('ada').revoke(handle)
    await sessions.of(undefined).revoke()
    const after = await browser.copy().visit(server)

    expect([before, after].map((visit) => visit.session.principal)).toEqual(['ada', undefined])
  })
})
