/**
 * What every framework adapter must do, as tests over real HTTP. Any test runner can run them.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { createSessions, type UserSessions } from '../session/sessions.ts'
import { createMemoryStore } from '../stores/memory.ts'
import { type IndexedSessionStore, StoreUnavailableError } from '../stores/store.ts'

/** Session data of the pages under examination. */
export interface AdapterTrialData {
  visits: number
}

/** A request handler in no framework's terms: it answers with a text, or rejects. */
export type AdapterTrialHandler = (
  /** The framework's own request object, for `sessions.load`. */
  request: object,
  /** Path of the request. */
  path: string,
  /** Sets a header of the answer. */
  setHeader: (name: string, value: string) => void,
) => Promise<string>

/** A real server on the framework under examination. */
export interface AdapterTrialServer {
  /** Base address, without a slash at its end. */
  readonly url: string
  close(): Promise<void>
}

/** Starts a server whose every request is handled by `handler`, with the adapter in front. */
export type AdapterTrial = (
  sessions: UserSessions<AdapterTrialData>,
  handler: AdapterTrialHandler,
) => Promise<AdapterTrialServer>

/** One clause of the contract. It rejects with an `AssertionError` when an adapter breaks it. */
export interface AdapterClause {
  readonly title: string
  readonly verify: (serve: AdapterTrial) => Promise<void>
}

/** The contract of framework adapters. */
export const adapterContract: readonly AdapterClause[] = [
  clause('sends no cookie where nothing was changed', async ({ request }) => {
    const answer = await request('/read')

    assert.equal(await answer.text(), '0')
    assert.deepEqual(answer.headers.getSetCookie(), [])
    assert.equal(answer.headers.get('cache-control'), null)
  }),
  clause(
    'sends the cookie of a session that was changed, and tells caches to keep out',
    async ({ request }) => {
      const answer = await request('/visit')

      assert.match(
        answer.headers.getSetCookie().join(),
        /^session=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax$/,
      )
      assert.equal(answer.headers.get('cache-control'), 'no-store')
    },
  ),
  clause('lets an answer stay private that the application made so', async ({ request }) => {
    const answer = await request('/private')

    assert.equal(answer.headers.get('cache-control'), 'private, max-age=60')
  }),
  clause('knows the session again', async ({ request }) => {
    const cookie = cookieOf(await request('/visit'))

    assert.equal(await (await request('/visit', cookie)).text(), '2')
    assert.equal(await (await request('/read', cookie)).text(), '2')
  }),
  clause('gives one session to all who load it in one request', async ({ request }) => {
    assert.equal(await (await request('/twice')).text(), 'true')
  }),
  clause('has stored what was set when the answer arrives', async ({ request, count }) => {
    const cookie = cookieOf(await request('/set'))

    assert.equal(count(), 1)
    assert.equal(await (await request('/read', cookie)).text(), '7')
  }),
  clause(
    'answers 503 in place of what was said when the store refuses the change',
    async ({ request, fail }) => {
      const cookie = cookieOf(await request('/visit'))
      fail(true)

      const answer = await request('/set', cookie)

      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '1')
      assert.deepEqual(answer.headers.getSetCookie(), [])
      assert.doesNotMatch(await answer.text(), /said/)
    },
  ),
  clause(
    'answers 503 when the store cannot be read, and leaves the cookie alone',
    async ({ request, fail }) => {
      const cookie = cookieOf(await request('/visit'))
      fail(true)

      const answer = await request('/read', cookie)

      assert.equal(answer.status, 503)
      assert.equal(answer.headers.get('retry-after'), '1')
      assert.deepEqual(answer.headers.getSetCookie(), [])
    },
  ),
  clause(
    'serves pages that never ask for their session while the store is away',
    async ({ request, fail }) => {
      const cookie = cookieOf(await request('/visit'))
      fail(true)

      assert.equal(await (await request('/static', cookie)).text(), 'static')
    },
  ),
  clause('ends a session and its cookie', async ({ request }) => {
    const cookie = cookieOf(await request('/visit'))

    const answer = await request('/destroy', cookie)

    assert.match(answer.headers.getSetCookie().join(), /^session=; Path=\/; Max-Age=0;/)
    assert.equal(await (await request('/read', cookie)).text(), '0')
  }),
  clause('keeps fifty visitors apart who come at once', async ({ request }) => {
    const cookies = await Promise.all(
      Array.from({ length: 50 }, async () => cookieOf(await request('/visit'))),
    )

    const counts = await Promise.all(cookies.map(async (cookie) => (await request('/visit', cookie)).text()))

    assert.equal(new Set(cookies).size, 50)
    assert.deepEqual(new Set(counts), new Set(['2']))
  }),
]

interface Trial {
  readonly request: (path: string, cookie?: string) => Promise<Response>
  /** Makes every call to the store fail from now on. */
  readonly fail: (failing: boolean) => void
  /** How many sessions were created. */
  readonly count: () => number
}

function clause(title: string, verify: (trial: Trial) => Promise<void>): AdapterClause {
  return {
    title,
    async verify(serve) {
      const { store, fail } = createFailingStore()
      const sessions = createSessions<AdapterTrialData>(store, { allowInsecureCookie: true })
      let created = 0
      sessions.on('created', () => created++)
      const server = await serve(sessions, (request, path, setHeader) =>
        handle(sessions, request, path, setHeader),
      )
      try {
        await verify({
          request: (path, cookie) =>
            fetch(`${server.url}${path}`, { headers: cookie === undefined ? {} : { cookie } }),
          fail,
          count: () => created,
        })
      } finally {
        sessions.close()
        await server.close()
      }
    },
  }
}

async function handle(
  sessions: UserSessions<AdapterTrialData>,
  request: object,
  path: string,
  setHeader: (name: string, value: string) => void,
): Promise<string> {
  if (path === '/static') return 'static'
  const session = await sessions.load(request)
  switch (path) {
    case '/twice':
      return String((await sessions.load(request)) === session)
    case '/set':
      session.set('visits', 7)
      return 'said'
    case '/private':
      setHeader('Cache-Control', 'private, max-age=60')
      session.set('visits', 1)
      return 'private'
    case '/visit':
      return String(await session.update('visits', (visits = 0) => visits + 1))
    case '/destroy':
      await session.destroy()
      return 'ended'
    default:
      return String(session.get('visits') ?? 0)
  }
}

function cookieOf(answer: Response): string {
  const [cookie = ''] = answer.headers.getSetCookie()
  assert.notEqual(cookie, '', 'the answer sets no cookie')
  return cookie.slice(0, cookie.indexOf(';'))
}

/** A real store that can be taken away at an exact moment. */
function createFailingStore(): { store: IndexedSessionStore; fail: (failing: boolean) => void } {
  const store = createMemoryStore()
  let away = false
  const guard = <Arguments extends unknown[], Result>(call: (...values: Arguments) => Promise<Result>) => {
    return async (...values: Arguments): Promise<Result> => {
      if (away) throw new StoreUnavailableError('Cannot reach the store as it was taken away for a test')
      return call(...values)
    }
  }
  return {
    fail: (failing) => (away = failing),
    store: {
      name: store.name,
      create: guard((key, record) => store.create(key, record)),
      read: guard((key) => store.read(key)),
      write: guard((key, version, record) => store.write(key, version, record)),
      touch: guard((key, lastSeenAt, expiresAt) => store.touch(key, lastSeenAt, expiresAt)),
      delete: guard((key) => store.delete(key)),
      quarantine: guard((key) => store.quarantine(key)),
      list: guard((principal) => store.list(principal)),
    },
  }
}
