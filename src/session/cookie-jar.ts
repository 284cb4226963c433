/**
 * The session cookie of one manager: read from requests, written to answers, told about when browsers will drop it.
 *
 * @module
 */

import { type CookieFormat, readCookies, serializeCookie, serializeStrayExpiries } from './cookie.ts'
import type { HttpExchange } from './exchange.ts'
import type { Snapshot } from './record.ts'

/** Reads and writes the session cookie. */
export interface CookieJar {
  /** Name under which a request's browser knows the cookie. */
  nameFor(exchange: HttpExchange): string
  /** All values the request carries. */
  read(exchange: HttpExchange): readonly string[]
  /** Sets the cookie to a value; `snapshot` is of the session that it stands for. */
  set(exchange: HttpExchange, value: string, snapshot: Snapshot): void
  clear(exchange: HttpExchange): void
  /** Expires cookies of the same name under other paths and domains. */
  expireStrays(exchange: HttpExchange): void
  /** Why browsers will drop a cookie set in this exchange; `undefined` when they will not. */
  trouble(exchange: HttpExchange): string | undefined
}

/** Options of {@link createCookieJar}. */
export interface CookieJarOptions {
  /** `true` allows http silently, `undefined` in development with a warning. */
  readonly allowInsecureCookie: boolean | undefined
  readonly development: boolean
  /** Clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Tells the developer something once. */
  readonly warn: (message: string) => void
}

/** Creates the jar of one manager. */
export function createCookieJar(format: CookieFormat, options: CookieJarOptions): CookieJar {
  const { allowInsecureCookie, development, now, warn } = options
  const insecureAllowed = allowInsecureCookie ?? development

  /** Over plain http without leave, the safe cookie is written and read all the same: a proxy may be to blame. */
  function isSecure(exchange: HttpExchange): boolean {
    return !insecureAllowed || exchange.secure
  }

  function trouble(exchange: HttpExchange): string | undefined {
    if (exchange.secure || insecureAllowed) return undefined
    const forwarded = exchange.header('x-forwarded-proto')
    return forwarded === undefined
      ? `The request arrived over http, and over http browsers drop the cookie ${format.secureName}: serve https, or set allowInsecureCookie for a network of your own`
      : `The request arrived over http with X-Forwarded-Proto: ${forwarded.slice(0, 20)}, which the framework was not told to trust: tell it (Express: app.set('trust proxy', …)), as browsers drop the cookie ${format.secureName} over http`
  }

  function write(exchange: HttpExchange, cookie: string): void {
    exchange.appendCookie(cookie)
    const caching = exchange.responseHeader('cache-control')
    if (caching === undefined || !/\b(private|no-store)\b/i.test(caching)) {
      exchange.setResponseHeader('Cache-Control', 'no-store')
    }
  }

  return {
    trouble,
    nameFor: (exchange) => (isSecure(exchange) ? format.secureName : format.plainName),
    read: (exchange) =>
      readCookies(exchange.header('cookie'), isSecure(exchange) ? format.secureName : format.plainName),
    set(exchange, value, snapshot) {
      const secure = isSecure(exchange)
      const problem = trouble(exchange)
      if (problem !== undefined) warn(problem)
      else if (!secure && allowInsecureCookie === undefined) {
        warn(
          `Session cookies are sent without Secure and __Host-, as this is development over http: in production (NODE_ENV=production) they are not; allowInsecureCookie: true ends this warning`,
        )
      }
      write(
        exchange,
        serializeCookie(format, secure, value, snapshot.remembered ? snapshot.expiresAt - now() : undefined),
      )
    },
    clear(exchange) {
      write(exchange, serializeCookie(format, isSecure(exchange), '', 0))
    },
    expireStrays(exchange) {
      const host = exchange.header('host')?.replace(/:\d+$/, '') ?? ''
      for (const cookie of serializeStrayExpiries(format, isSecure(exchange), host, exchange.path))
        write(exchange, cookie)
    },
  }
}
