/**
 * A refresh token as a cookie that only the refresh endpoint gets (ASVS 3.3.1–3.3.4).
 *
 * @module
 */

import { parseRefreshToken } from './refresh/token.ts'

/** Options of {@link createRefreshCookie}. */
export interface RefreshCookieOptions {
  /** Name without prefix. @default 'refresh' */
  readonly name?: string
  /** Path of the endpoint that takes the cookie; no other request carries it. @default '/token/refresh' */
  readonly path?: string
  /** When other sites' requests carry it. There is no `none`. @default 'strict' */
  readonly sameSite?: 'strict' | 'lax'
  /** Sends the cookie over http too, without its prefix: for development. @default false */
  readonly allowInsecureCookie?: boolean
}

/** Reads and writes the cookie. */
export interface RefreshCookie {
  /** Name with its prefix: `__Secure-`, or `__Host-` where the path is `/`. */
  readonly name: string
  /**
   * Writes a `Set-Cookie` value.
   *
   * @param expiresAt First instant at which the token is gone, as `refreshExpiresAt` of a pair.
   * @param now Current time, in milliseconds since the Unix epoch. @default Date.now()
   */
  serialize(refreshToken: string, expiresAt: number, now?: number): string
  /** Writes a `Set-Cookie` value that removes it: for a logout, and never for a token that was refused. */
  clear(): string
  /**
   * Finds the tokens in a `Cookie` header; empty when there is none.
   *
   * More than one means that another path or a subdomain has set its own: try them in turn, the first good one counts.
   */
  read(header: string | undefined): readonly string[]
}

const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const PATH = /^\/[\w/.~%!$&'()*+,=:@-]*$/

/**
 * Creates the cookie.
 *
 * Its endpoint changes state by a cookie alone, so keep it behind the CSRF defence of the other forms; SameSite=Strict is
 * half of one.
 *
 * @throws {TypeError} when name, path or sameSite cannot stand in a cookie.
 * @example
 * ```ts
 * const cookie = createRefreshCookie({ path: '/token/refresh' })
 * res.setHeader('Set-Cookie', cookie.serialize(pair.refreshToken, pair.refreshExpiresAt))
 * ```
 */
export function createRefreshCookie(options: RefreshCookieOptions = {}): RefreshCookie {
  const {
    name = 'refresh',
    path = '/token/refresh',
    sameSite = 'strict',
    allowInsecureCookie = false,
  } = options
  if (!NAME.test(name) || /^__(host|secure)-/i.test(name)) {
    throw new TypeError(
      'Cannot create a refresh cookie as name must be a cookie name without a prefix, which is added',
    )
  }
  if (!PATH.test(path))
    throw new TypeError('Cannot create a refresh cookie as path must begin with / and be plain')
  if (sameSite !== 'strict' && sameSite !== 'lax') {
    throw new TypeError("Cannot create a refresh cookie as sameSite must be 'strict' or 'lax'")
  }
  // Browsers accept __Host- with Path=/ only (RFC 6265bis §4.1.3).
  const prefix = allowInsecureCookie ? '' : path === '/' ? '__Host-' : '__Secure-'
  const fullName = prefix + name
  const strictness = sameSite === 'strict' ? 'Strict' : 'Lax'
  const attributes = `Path=${path}; HttpOnly${allowInsecureCookie ? '' : '; Secure'}; SameSite=${strictness}`

  return {
    name: fullName,
    serialize(refreshToken, expiresAt, now = Date.now()) {
      const maxAge = Math.max(0, Math.floor((expiresAt - now) / 1_000))
      return `${fullName}=${refreshToken}; Max-Age=${maxAge}; ${attributes}`
    },
    clear: () => `${fullName}=; Max-Age=0; ${attributes}`,
    read(header = '') {
      const tokens = header.split(';').flatMap((pair) => {
        const [key = '', ...value] = pair.split('=')
        const text = value.join('=').trim()
        return key.trim() === fullName && parseRefreshToken(text) ? [text] : []
      })
      return [...new Set(tokens)]
    },
  }
}
