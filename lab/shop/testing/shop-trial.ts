/**
 * The shop on a real HTTP server, and browsers with cookie jars, for its tests.
 *
 * @module
 */

import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import {
  createSessions,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionsOptions,
  StoreUnavailableError,
} from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { CookieJar } from 'tough-cookie'
import { onTestFinished } from 'vitest'
import { createShop, type ShopSession, type ShopSessions, type ShopTokens } from '../shop.ts'
import type { SqlDatabase } from '../users/database.ts'
import type { PasswordHasher } from '../users/password-hasher.ts'
import { createUserDatabase, type UserDatabaseOptions } from '../users/users.ts'
import { openUserDatabases } from './user-database.ts'

/** Options of {@link startShop}. */
export interface ShopTrialOptions {
  readonly users?: UserDatabaseOptions
  readonly sessions?: SessionsOptions
  /** Whether the store finds sessions by user, or merely ends them, as memcached does. @default true */
  readonly indexed?: boolean
  /** Tokens that logins are exchanged for. @default none */
  readonly tokens?: ShopTokens
}

/** A running shop. */
export interface ShopTrial {
  readonly url: string
  readonly store: FallibleStore
  /** Where the users are. */
  readonly database: SqlDatabase
  /** Errors that the shop did not foresee. */
  readonly errors: readonly unknown[]
  /** Opens a browser without cookies that sends these headers with each request. */
  readonly open: (headers?: Readonly<Record<string, string>>) => Browser
}

/** A store that counts calls, and fails as if its back end were away while `down`. */
export interface FallibleStore extends IndexedSessionStore {
  down: boolean
  calls: number
  /** What happens elsewhere between a request's read and its write of a session. */
  beforeWrite: ((key: string) => Promise<unknown>) | undefined
}

/** Starts a shop on a memory store. It ends with the test. */
export async function startShop(options: ShopTrialOptions = {}): Promise<ShopTrial> {
  const [database] = await openUserDatabases()
  const users = createUserDatabase(database, { hasher: quickHasher, ...options.users })
  const store = createFallibleStore(createMemoryStore())
  const settings = {
    allowInsecureCookie: true,
    ...(options.tokens && { revocations: options.tokens }),
    ...options.sessions,
  }
  const sessions: ShopSessions =
    options.indexed === false
      ? createSessions<ShopSession>(withoutIndex(store), settings)
      : createSessions<ShopSession>(store, settings)
  const errors: unknown[] = []
  const server = createServer(
    createShop({
      sessions,
      users,
      ...(options.tokens && { tokens: options.tokens }),
      log: (error) => errors.push(error),
    }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
    sessions.close()
  })
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return { url, store, database, errors, open: (headers = {}) => new Browser(url, headers) }
}

/** Quick to compute: for tests that are not about hashing. */
const quickHasher: PasswordHasher = {
  hash: async (password) => `hash of ${password}`,
  verify: async (hash, password) => hash === `hash of ${password}`,
}

function withoutIndex(store: IndexedSessionStore): RevokingSessionStore {
  const plain: RevokingSessionStore & { list?: unknown } = {
    ...store,
    async revokeAll(principal, except) {
      for (const { key } of await store.list(principal)) if (key !== except) await store.delete(key)
    },
  }
  delete plain.list
  return plain
}

function createFallibleStore(store: IndexedSessionStore): FallibleStore {
  const state: Pick<FallibleStore, 'down' | 'calls' | 'beforeWrite'> = {
    down: false,
    calls: 0,
    beforeWrite: undefined,
  }
  return new Proxy(store, {
    get(target, name) {
      if (name in state) return state[name as keyof typeof state]
      const value: unknown = Reflect.get(target, name)
      if (typeof value !== 'function' || name === 'onEvict') return value
      return async (...values: unknown[]) => {
        state.calls += 1
        if (state.down) throw new StoreUnavailableError('Cannot reach the store of this test')
        if (name === 'write') await state.beforeWrite?.(String(values[0]))
        return (value as (...values: unknown[]) => unknown).apply(target, values)
      }
    },
    set(_target, name, value) {
      return Reflect.set(state, name, value)
    },
  }) as FallibleStore
}

/** A client that keeps cookies as browsers do. It does not follow redirects. */
export class Browser {
  readonly jar = new CookieJar()
  readonly #url: string
  readonly #headers: Readonly<Record<string, string>>

  constructor(url: string, headers: Readonly<Record<string, string>>) {
    this.#url = url
    this.#headers = headers
  }

  /** Value of the session cookie; `undefined` without one. */
  get session(): string | undefined {
    return this.jar.getCookiesSync(this.#url).find(({ key }) => key === 'session')?.value
  }

  get(path: string, headers: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.request('GET', path, { headers })
  }

  /** Sends JSON, as a script does. */
  post(path: string, body: unknown = {}): Promise<Response> {
    return this.request('POST', path, {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
  }

  /** Sends a form, as a page does. */
  submit(path: string, fields: Readonly<Record<string, string>> = {}): Promise<Response> {
    return this.request('POST', path, {
      headers: {
        accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
        origin: this.#url,
        'sec-fetch-site': 'same-origin',
      },
      body: new URLSearchParams(fields),
    })
  }

  async request(method: string, path: string, init: RequestInit = {}): Promise<Response> {
    const headers = new Headers({ ...this.#headers, ...(init.headers as Record<string, string>) })
    const cookie = this.jar.getCookieStringSync(this.#url)
    if (cookie && !headers.has('cookie')) headers.set('cookie', cookie)
    const response = await fetch(this.#url + path, { ...init, method, headers, redirect: 'manual' })
    for (const line of response.headers.getSetCookie()) this.jar.setCookieSync(line, this.#url)
    return response
  }
}
