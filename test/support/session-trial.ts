/**
 * Session managers under examination: servers on one store whose every call can be watched, delayed or refused, and
 * browsers that keep cookies.
 *
 * @module
 */

import {
  createSessions,
  type HttpExchange,
  type IndexedSessionStore,
  type LoadOptions,
  type Session,
  type SessionEventName,
  type SessionsOptions,
  type UserSessions,
} from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'

/** Attributes of the application in these tests. */
export interface Shop {
  cart: string[]
  count: number
  notice: string
  lang: string
  profile: { name: string; tags: string[] }
  [note: `note${number}`]: number
}

/** One call to a store. */
export interface StoreCall {
  readonly method: keyof IndexedSessionStore
  readonly key: string | undefined
}

/** Stands between the engine and a call. `next` makes it. */
export type Intercept = (call: StoreCall, next: () => Promise<unknown>) => Promise<unknown>

/** A store whose calls are noted and pass through an interceptor. */
export interface WatchedStore extends IndexedSessionStore {
  /** Every call so far. */
  readonly calls: StoreCall[]
  /** How often these methods were called. */
  count(...methods: (keyof IndexedSessionStore)[]): number
  intercept: Intercept
}

const passOn: Intercept = (_call, next) => next()

/**
 * Wraps a store. Versions are counted per record, from 1, as SQL stores do: the engine may not compare versions of
 * two records.
 */
export function watchStore(inner: IndexedSessionStore, now?: () => number): WatchedStore {
  const versions = new Map<string, { inner: number; own: number }>()
  const calls: StoreCall[] = []

  function pass<Result>(method: StoreCall['method'], key: string | undefined, call: () => Promise<Result>) {
    const made = { method, key }
    calls.push(made)
    return store.intercept(made, call) as Promise<Result>
  }

  const store: WatchedStore = {
    name: 'watched',
    calls,
    intercept: passOn,
    count: (...methods) => calls.filter(({ method }) => methods.includes(method)).length,
    create: (key, record) =>
      pass('create', key, async () => {
        const result = await inner.create(key, record)
        if (result.outcome !== 'written') return result
        versions.set(key, { inner: result.version, own: 1 })
        return { outcome: 'written', version: 1 }
      }),
    read: (key) =>
      pass('read', key, async () => {
        const stored = await inner.read(key)
        return stored && { ...stored, version: versions.get(key)?.own ?? stored.version }
      }),
    write: (key, version, record) =>
      pass('write', key, async () => {
        const known = versions.get(key)
        const result = await inner.write(key, known?.own === version ? known.inner : -1, record)
        if (result.outcome !== 'written') return result
        versions.set(key, { inner: result.version, own: version + 1 })
        return { outcome: 'written', version: version + 1 }
      }),
    touch: (key, lastSeenAt, expiresAt) => pass('touch', key, () => inner.touch(key, lastSeenAt, expiresAt)),
    delete: (key) =>
      pass('delete', key, async () => {
        const stored = await inner.delete(key)
        return stored && { ...stored, version: versions.get(key)?.own ?? stored.version }
      }),
    quarantine: (key) => pass('quarantine', key, () => inner.quarantine(key)),
    list: (principal) =>
      pass('list', undefined, async () =>
        (await inner.list(principal)).map((stored) => ({
          ...stored,
          version: versions.get(stored.key)?.own ?? stored.version,
        })),
      ),
    ...(inner.sweep && {
      sweep: (limit: number) => pass('sweep', undefined, () => inner.sweep?.(limit) ?? Promise.resolve([])),
    }),
    ...(now && { now: () => pass('now', undefined, async () => now()) }),
  }
  return store
}

/** One request and its answer, in memory. */
export class FakeExchange implements HttpExchange {
  readonly #headers: Readonly<Record<string, string>>
  readonly #hooks: (() => Promise<void> | undefined)[] = []
  readonly answer = new Map<string, string>()
  /** Every `Set-Cookie` of the answer. */
  readonly cookies: string[] = []
  readonly secure: boolean
  readonly path: string
  readonly address = '192.0.2.7'
  headersSent = false

  constructor(headers: Readonly<Record<string, string>> = {}, { secure = true, path = '/' } = {}) {
    this.#headers = headers
    this.secure = secure
    this.path = path
  }

  header(name: string): string | undefined {
    return this.#headers[name]
  }

  responseHeader(name: string): string | undefined {
    return this.answer.get(name.toLowerCase())
  }

  setResponseHeader(name: string, value: string): void {
    this.answer.set(name.toLowerCase(), value)
  }

  appendCookie(cookie: string): void {
    this.cookies.push(cookie)
  }

  beforeHeaders(hook: () => Promise<void> | undefined): boolean {
    if (!this.headersSent) this.#hooks.push(hook)
    return !this.headersSent
  }

  /** Sends the answer, as `response.end()` does: decided at once, on its way when the hooks are through. */
  async end(): Promise<void> {
    this.headersSent = true
    await Promise.all(this.#hooks.map(async (hook) => hook()))
  }
}

/** What a visit came to. */
export interface Visit<Result> {
  readonly exchange: FakeExchange
  readonly session: Session<Shop>
  readonly result: Result
}

/** A browser with its cookies. */
export interface Browser {
  readonly cookies: Map<string, string>
  /** The session id it holds. */
  readonly id: string | undefined
  /** Makes a request: loads the session, runs the handler, sends the answer, keeps the cookies. */
  visit<Result = void>(
    server: Sessions,
    handler?: (session: Session<Shop>, exchange: FakeExchange) => Promise<Result> | Result,
    options?: LoadOptions,
  ): Promise<Visit<Result>>
  /** Begins a request without sending its answer. */
  begin(server: Sessions, options?: LoadOptions): Promise<{ exchange: FakeExchange; session: Session<Shop> }>
  /** Takes in the cookies of an answer. */
  keep(exchange: FakeExchange): void
  /** A request that carries its cookies. */
  request(): FakeExchange
  /** A second browser with the same cookies. */
  copy(): Browser
}

export type Sessions = UserSessions<Shop>

export const COOKIE = '__Host-session'

/** Creates a browser; `id` is a session id that it holds already. */
export function createBrowser(id?: string): Browser {
  const cookies = new Map<string, string>(id === undefined ? [] : [[COOKIE, id]])

  const browser: Browser = {
    cookies,
    get id() {
      return cookies.get(COOKIE)
    },
    request() {
      const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
      return new FakeExchange({
        ...(cookie !== '' && { cookie }),
        'user-agent': 'Trial/1',
        host: 'shop.test',
      })
    },
    async begin(server, options) {
      const exchange = browser.request()
      return { exchange, session: await load(server, exchange, options) }
    },
    async visit(server, handler, options) {
      const { exchange, session } = await browser.begin(server, options)
      const result = (await handler?.(session, exchange)) as never
      if (!exchange.headersSent) await exchange.end()
      browser.keep(exchange)
      return { exchange, session, result }
    },
    keep(exchange) {
      for (const cookie of exchange.cookies) {
        const [, name = '', value = ''] = /^([^=]+)=([^;]*)/.exec(cookie) ?? []
        if (/; Max-Age=0(;|$)/.test(cookie)) cookies.delete(name)
        else cookies.set(name, value)
      }
    },
    copy: () => createBrowser(browser.id),
  }
  return browser
}

/** Loads the session of an exchange, as a handler behind an adapter does. */
export function load(
  server: Sessions,
  exchange: FakeExchange,
  options?: LoadOptions,
): Promise<Session<Shop>> {
  server.attach(exchange, exchange)
  return server.load(exchange, options)
}

/** What happened on a server, in its order. */
export interface Happening {
  readonly name: SessionEventName
  readonly event: object
}

const EVENTS: readonly SessionEventName[] = [
  'created',
  'login',
  'rotated',
  'destroyed',
  'revoked',
  'expired',
  'evicted',
  'corrupt',
  'lateWrite',
  'storeDown',
  'storeUp',
]

/** Notes every event of a server. */
export function listen(server: Sessions): Happening[] {
  const happened: Happening[] = []
  for (const name of EVENTS) server.on(name, (event) => happened.push({ name, event }))
  return happened
}

/** Options of {@link createTrial}. */
export interface TrialOptions extends SessionsOptions {
  /** The store has a clock of its own, which engines ask for. */
  readonly storeClock?: boolean
}

/** Two servers on one store, and the clock they live by. */
export interface Trial {
  readonly store: WatchedStore
  readonly here: Sessions
  readonly there: Sessions
  readonly now: () => number
  elapse(milliseconds: number): void
  /** One more server on the same store. */
  addServer(options?: SessionsOptions): Sessions
  close(): void
}

/** Creates a trial. */
export function createTrial({ storeClock = false, ...options }: TrialOptions = {}): Trial {
  let time = Date.UTC(2026, 0, 1)
  const now = (): number => time
  const store = watchStore(createMemoryStore({ now, maxSessions: 10_000 }), storeClock ? now : undefined)
  const servers: Sessions[] = []

  function addServer(own: SessionsOptions = {}): Sessions {
    const server = createSessions<Shop>(store, { now, development: true, ...options, ...own })
    servers.push(server)
    return server
  }

  return {
    store,
    now,
    here: addServer(),
    there: addServer(),
    addServer,
    elapse(milliseconds) {
      time += milliseconds
    },
    close() {
      for (const server of servers) server.close()
    },
  }
}

/** A browser with a session of its own. */
export async function createVisitor(
  { here }: Pick<Trial, 'here'>,
  cart: string[] = ['coat'],
): Promise<Browser> {
  const browser = createBrowser()
  await browser.visit(here, (session) => session.set('cart', cart))
  return browser
}

/** A browser whose user is logged in. */
export async function createUser(
  { here }: Pick<Trial, 'here'>,
  principal = 'ada',
  options: { remember?: boolean; cart?: string[] } = {},
): Promise<Browser> {
  const browser = createBrowser()
  await browser.visit(here, async (session) => {
    if (options.cart) session.set('cart', options.cart)
    await session.login(principal, { remember: options.remember ?? false })
  })
  return browser
}

/** Who the holder of these cookies is, on a server that has not seen them. */
export async function whoIs(server: Sessions, id: string | undefined): Promise<string | undefined> {
  const { session } = await createBrowser(id).begin(server)
  return session.principal
}

/** A promise to be settled by hand. */
export function createGate(): { readonly passed: Promise<void>; open: () => void } {
  let open = (): void => undefined
  const passed = new Promise<void>((resolve) => (open = resolve))
  return { passed, open }
}

/** Runs something once, before the first call that matches. */
export function before(store: WatchedStore, matches: (call: StoreCall) => boolean, run: () => unknown): void {
  let done = false
  store.intercept = async (call, next) => {
    if (done || !matches(call)) return next()
    done = true
    await run()
    return next()
  }
}
