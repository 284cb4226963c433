/**
 * An access token in a cookie, for pages that would otherwise have to keep it where scripts can read it (ASVS 3.3.1–3.3.4).
 *
 * @module
 */

import { isSameOrigin, readHeader, type OriginNodeRequest, type OriginWebRequest } from '../http/origin.ts'
import type { BearerCredentials } from './bearer.ts'

/** Options of {@link createAccessCookie}. */
export interface AccessCookieOptions {
  /** Name without prefix. @default 'access' */
  readonly name?: string
  /** When other sites' requests carry it. There is no `none`. @default 'lax' */
  readonly sameSite?: 'strict' | 'lax'
  /** Sends the cookie over http too, without its prefix: for development. @default false */
  readonly allowInsecureCookie?: boolean
  /** The site's own origin, where `Host` does not tell it: see {@link isSameOrigin}. */
  readonly origin?: string
}

/** The part of a request that is read. */
export type AccessCookieRequest =
  | (OriginNodeRequest & { readonly method?: string | undefined })
  | (OriginWebRequest & { readonly method?: string | undefined })

/** Reads and writes the cookie. */
export interface AccessCookie {
  /** Name with its prefix, `__Host-`. */
  readonly name: string
  /**
   * Writes a `Set-Cookie` value.
   *
   * @param expiresIn How long the token is accepted, in seconds: `expiresIn` of a pair.
   * @throws {RangeError} when the cookie would be longer than the 4,096 bytes that browsers keep.
   */
  serialize(accessToken: string, expiresIn: number): string
  /** Writes a `Set-Cookie` value that removes it: for a logout. */
  clear(): string
  /**
   * Reads the token of a request, in the form of `readBearer`: `missing` without one, `bad-request` for two of the name.
   *
   * What another site's page asked for carries the cookie too, so a request that may change something and is not of the
   * same origin has no credentials: `cross-site`, to be answered with 403.
   */
  read(
    request: AccessCookieRequest,
  ): BearerCredentials | { readonly ok: false; readonly reason: 'cross-site' }
}

const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
/** What `issue` makes, and nothing that could end a cookie. */
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/
/** Name and value together (RFC 6265bis §5.6). */
const LONGEST = 4_096

/**
 * Creates the cookie.
 *
 * Prefer a session to it for your own pages. Where it is used, no route may change anything on `GET`.
 *
 * @throws {TypeError} when name or sameSite cannot stand in a cookie.
 * @example
 * ```ts
 * const cookie = createAccessCookie()
 * res.setHeader('Set-Cookie', cookie.serialize(pair.accessToken, pair.expiresIn))
 *
 * const credentials = cookie.read(req)
 * const answer = credentials.ok ? tokens.verify(credentials.token) : credentials
 * ```
 */
export function createAccessCookie(options: AccessCookieOptions = {}): AccessCookie {
  const { name = 'access', sameSite = 'lax', allowInsecureCookie = false, origin } = options
  if (!NAME.test(name) || /^__(host|secure)-/i.test(name)) {
    throw new TypeError(
      'Cannot create an access cookie as name must be a cookie name without a prefix, which is added',
    )
  }
  if (sameSite !== 'strict' && sameSite !== 'lax') {
    throw new TypeError("Cannot create an access cookie as sameSite must be 'strict' or 'lax'")
  }
  const fullName = (allowInsecureCookie ? '' : '__Host-') + name
  const strictness = sameSite === 'strict' ? 'Strict' : 'Lax'
  const attributes = `Path=/; HttpOnly${allowInsecureCookie ? '' : '; Secure'}; SameSite=${strictness}`

  return {
    name: fullName,
    serialize(accessToken, expiresIn) {
      if (!TOKEN.test(accessToken)) {
        throw new TypeError('Cannot write an access cookie as the token is none that issue() makes')
      }
      if (fullName.length + accessToken.length > LONGEST) {
        throw new RangeError(
          `Cannot write an access cookie as name and token may have ${LONGEST} bytes together: put less into the token`,
        )
      }
      return `${fullName}=${accessToken}; Max-Age=${Math.max(0, Math.floor(expiresIn))}; ${attributes}`
    },
    clear: () => `${fullName}=; Max-Age=0; ${attributes}`,
    read(request) {
      const found = readCookies(readHeader(request, 'cookie') ?? '', fullName)
      const [token] = found
      if (token === undefined) return MISSING
      if (!isSafe(request.method) && !isSameOrigin(request, origin === undefined ? {} : { origin }))
        return CROSS_SITE
      // Somebody else has set one of this name. With the prefix browsers let nobody.
      return found.length > 1 ? BAD_REQUEST : { ok: true, token }
    },
  }
}

const MISSING = Object.freeze({ ok: false, reason: 'missing' })
const BAD_REQUEST = Object.freeze({ ok: false, reason: 'bad-request' })
const CROSS_SITE = Object.freeze({ ok: false, reason: 'cross-site' })

/** A request of unknown method may change something. */
function isSafe(method: string | undefined): boolean {
  return method === 'GET' || method === 'HEAD' || method === 'OPTIONS'
}

function readCookies(header: string, name: string): readonly string[] {
  return header.split(';').flatMap((pair) => {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) return []
    const value = pair.slice(equals + 1).trim()
    return value === '' ? [] : [value]
  })
}
