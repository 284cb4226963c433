/**
 * What a client that is no browser does with its login: exchanges it for tokens, shows them, and refreshes them.
 *
 * @module
 */

import type { Answer, Browser, RequestOptions } from './browser.ts'

/** An access token with what gets the next one. */
export interface HeldTokens {
  readonly accessToken: string
  readonly refreshToken: string
  /** From when on it is refreshed before it is shown, on the monotonic clock in milliseconds. */
  readonly staleAt: number
}

/** Tokens of one client. */
export interface TokenHolder {
  /** The tokens it has; `undefined` before the exchange and after {@link TokenHolder.forget}. */
  readonly held: HeldTokens | undefined
  /**
   * Sends a request with the access token in place of the cookies.
   *
   * It gets tokens first when it has none, refreshes when they are about to expire, and once more when they are refused.
   * When these steps get no tokens, their answer is the answer.
   */
  request(method: string, path: string, options?: RequestOptions): Promise<Answer | undefined>
  /** Lets go of the tokens, as at a logout. What is under way keeps nothing. */
  forget(): void
}

/** Part of its lifetime for which a token is shown; the rest is for the way to the server. */
const USED_PART = 0.8

/** Creates the tokens of a browser that may be logged in. */
export function createTokenHolder(browser: Pick<Browser, 'request'>): TokenHolder {
  let held: HeldTokens | undefined
  /** Grows with each logout, so that an answer from before it is not kept. */
  let login = 0
  let refreshing: Promise<Answer | undefined> | undefined

  async function obtain(path: string, body: object, options: RequestOptions): Promise<Answer | undefined> {
    const { origin } = options
    const before = login
    const answer = await browser.request('POST', path, { body, ...(origin !== undefined && { origin }) })
    if (before !== login) return answer
    if (answer?.status === 200) held = readTokens(answer)
    // The login behind it is gone; what is merely unclear is tried again.
    if (answer?.status === 401) held = undefined
    return answer
  }

  /** Requests of one client that need a new token at the same time wait for the same one. */
  function refresh(options: RequestOptions): Promise<Answer | undefined> {
    refreshing ??= obtain('/token/refresh', { refreshToken: held?.refreshToken }, options).finally(() => {
      refreshing = undefined
    })
    return refreshing
  }

  return {
    get held() {
      return held
    },
    async request(method, path, options = {}) {
      if (!held) {
        const answer = await obtain('/token', {}, options)
        if (!held) return answer
      } else if (performance.now() >= held.staleAt) {
        const answer = await refresh(options)
        if (!held || answer?.status !== 200) return answer
      }
      const shown = held.accessToken
      const answer = await browser.request(method, path, { ...options, bearer: shown })
      if (answer?.status !== 401 || !held) return answer
      // Another request may have refreshed it meanwhile.
      if (held.accessToken === shown) {
        const refreshed = await refresh(options)
        if (refreshed?.status !== 200) return refreshed
      }
      return browser.request(method, path, { ...options, bearer: held.accessToken })
    },
    forget() {
      login++
      held = undefined
    },
  }
}

/** Reads the tokens of an answer; `undefined` when there are none. */
export function readTokens({ body, endedAt }: Answer): HeldTokens | undefined {
  const { accessToken, refreshToken, expiresIn } = (body ?? {}) as Readonly<Record<string, unknown>>
  if (typeof accessToken !== 'string' || typeof refreshToken !== 'string') return undefined
  return { accessToken, refreshToken, staleAt: endedAt + Number(expiresIn) * 1_000 * USED_PART }
}
