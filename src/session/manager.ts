/**
 * What every way of keeping sessions gives an application: sessions of requests, words about them, events.
 *
 * @module
 */

import { type CookieFormat, type CookieOptions, createCookieFormat } from './cookie.ts'
import { type CookieJar, createCookieJar } from './cookie-jar.ts'
import type { EventHub, SessionEventName, SessionListener } from './events.ts'
import { attachExchange, exchangeOf, type HttpExchange } from './exchange.ts'
import { explainSession } from './explain.ts'
import type { LifetimeOptions } from './lifetime.ts'
import type { Loader, LoadOptions } from './loader.ts'
import type { Session } from './session.ts'

/** Options that every way of keeping sessions has. */
export interface ManagerOptions extends LifetimeOptions {
  /** How the cookie is named and scoped. */
  readonly cookie?: CookieOptions
  /**
   * Sends the cookie over plain http, without Secure and the `__Host-` prefix, to requests that arrive so.
   *
   * @default in development, with a warning; `false` where NODE_ENV is `production`
   */
  readonly allowInsecureCookie?: boolean
  /**
   * Whether this is development: programming errors are thrown that are reported as events otherwise.
   *
   * @default NODE_ENV is not `production`
   */
  readonly development?: boolean
  /**
   * Clock, in milliseconds since the Unix epoch. A store with a clock of its own has the last word.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

/** Sessions of requests. */
export interface Manager<Data extends object> {
  /**
   * Finds the session of a request, once; later calls for the same request give the same one.
   *
   * A stranger's session is empty and costs the store nothing until it is changed.
   *
   * @param request What the framework hands to a handler: `req`, a context, a `Request`.
   * @throws {TypeError} when no adapter saw the request.
   * @throws {StoreUnavailableError} when the store gives no answer and the policy is `fail`.
   */
  load(request: object, options?: LoadOptions): Promise<Session<Data>>
  /** Says in words why a request's cookie was or was not accepted, and whether browsers will keep the one set. */
  explain(request: object): Promise<readonly string[]>
  /** Listens to an event; returns the function that ends it. */
  on<Name extends SessionEventName>(name: Name, listener: SessionListener<Name>): () => void
  /** Ties a request to its exchange. For adapters. */
  attach(request: object, exchange: HttpExchange): void
}

/** Creates what an application calls, around a loader. */
export function createManager<Data extends object>(
  loader: Loader<Data>,
  cookies: CookieJar,
  events: EventHub,
): Manager<Data> {
  return {
    load(request, options) {
      const exchange = exchangeOf(request)
      return exchange ? loader.load(exchange, options) : Promise.reject(notAttached())
    },
    async explain(request) {
      const exchange = exchangeOf(request)
      if (!exchange) throw notAttached()
      return explainSession(exchange, cookies, await loader.load(exchange, { outage: 'anonymous' }))
    },
    on: (name, listener) => events.on(name, listener),
    attach: attachExchange,
  }
}

/** Whether programming errors are thrown. */
export function isDevelopment({ development }: ManagerOptions): boolean {
  return development ?? process.env['NODE_ENV'] !== 'production'
}

/** Creates the cookie of a manager. @param now Clock by which its Max-Age counts. */
export function createCookies(
  operation: string,
  options: ManagerOptions,
  now: () => number,
): { readonly format: CookieFormat; readonly cookies: CookieJar } {
  const format = createCookieFormat(operation, options.cookie)
  const cookies = createCookieJar(format, {
    allowInsecureCookie: options.allowInsecureCookie,
    development: isDevelopment(options),
    now,
    warn: createWarnOnce(),
  })
  return { format, cookies }
}

function notAttached(): TypeError {
  return new TypeError(
    'Cannot load a session as no adapter saw this request: add one before the handler, such as app.use(expressSessions(sessions))',
  )
}

function createWarnOnce(): (message: string) => void {
  const told = new Set<string>()
  return (message) => {
    if (told.has(message)) return
    told.add(message)
    process.emitWarning(message, 'CoatcheckWarning')
  }
}
