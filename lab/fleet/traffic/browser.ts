/**
 * A browser without a screen: its own cookies, up to six connections that it keeps alive, and a limit to its patience.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { Agent } from 'undici'
import { type CookieJar, createCookieJar } from './cookie-jar.ts'

/** An answer of the shop. Instants are on the monotonic clock of `performance.now()`, in milliseconds. */
export interface Answer {
  readonly status: number
  /** Server that answered: `X-Served-By`. */
  readonly server: string | undefined
  /** Seconds, as `Retry-After` said them; `undefined` without one. */
  readonly retryAfter: string | undefined
  /** Parsed JSON; `undefined` when the answer carried none. */
  readonly body: unknown
  readonly startedAt: number
  readonly endedAt: number
}

/** Options of a single request. */
export interface RequestOptions {
  /** JSON body. */
  readonly body?: object
  /** Asks for pages, as people's browsers do. A change is then answered with a redirect. */
  readonly html?: boolean
  /** Cookie header that is sent instead of the jar's; the jar then ignores the answer's cookies, too. */
  readonly cookie?: string
  /** Access token that is sent instead of the jar's cookies; the jar then ignores the answer's cookies, too. */
  readonly bearer?: string
  /** Closes the connection this long after the request, in milliseconds, and reads no answer that comes in spite of it. */
  readonly dropAfter?: number
  /** Address of a single server, past the balancer. */
  readonly origin?: string
}

/** A browser that visits one site. */
export interface Browser {
  readonly jar: CookieJar
  /** Resolves to `undefined` when no answer came within the timeout, whatever the reason. It never rejects. */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer | undefined>
  /** Closes all connections, as browsers do now and then; the next request opens new ones. */
  reconnect(): Promise<void>
  close(): Promise<void>
}

/** Options of {@link createBrowser}. */
export interface BrowserOptions {
  /**
   * Time after which a request counts as unanswered, in milliseconds.
   *
   * @default 10_000
   */
  readonly timeout?: number
  /** Called with what became of each request, `undefined`: no answer. Dropped requests are not reported. */
  readonly onAnswer?: (answer: Answer | undefined) => void
}

/**
 * Creates a browser without cookies.
 *
 * @param getOrigin Address that each request goes to, asked anew for every one.
 */
export function createBrowser(getOrigin: () => string, options: BrowserOptions = {}): Browser {
  const { timeout = 10_000, onAnswer } = options
  const jar = createCookieJar()
  let agent = openConnections()

  async function exchange(
    method: string,
    path: string,
    options: RequestOptions,
  ): Promise<Answer | undefined> {
    const { body, html, bearer, dropAfter, origin = getOrigin() } = options
    const cookie = bearer === undefined ? (options.cookie ?? jar.header()) : options.cookie
    const startedAt = performance.now()
    const { statusCode, headers, ...response } = await agent.request({
      origin,
      path,
      method,
      headers: {
        ...(cookie !== undefined && { cookie }),
        ...(bearer !== undefined && { authorization: `Bearer ${bearer}` }),
        ...(html && { accept: 'text/html' }),
        ...(body && { 'content-type': 'application/json' }),
      },
      ...(body && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(dropAfter ?? timeout),
    })
    if (dropAfter !== undefined) {
      response.body.on('error', () => {}).destroy()
      return undefined
    }
    if (options.cookie === undefined && bearer === undefined)
      jar.receive([headers['set-cookie'] ?? []].flat())
    const text = await response.body.text()
    return {
      status: statusCode,
      server: first(headers['x-served-by']),
      retryAfter: first(headers['retry-after']),
      body: text && isJson(first(headers['content-type'])) ? (JSON.parse(text) as unknown) : undefined,
      startedAt,
      endedAt: performance.now(),
    }
  }

  return {
    jar,
    async request(method, path, options = {}) {
      const answer = await exchange(method, path, options).catch(() => undefined)
      if (options.dropAfter === undefined) onAnswer?.(answer)
      return answer
    },
    async reconnect() {
      const old = agent
      agent = openConnections()
      await old.close()
    },
    close: () => agent.destroy(),
  }
}

function openConnections(): Agent {
  return new Agent({ connections: 6, pipelining: 1, keepAliveTimeout: 4_000 })
}

function first(header: string | string[] | undefined): string | undefined {
  return Array.isArray(header) ? header[0] : header
}

function isJson(contentType: string | undefined): boolean {
  return contentType?.startsWith('application/json') ?? false
}
