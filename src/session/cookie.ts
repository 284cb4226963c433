/**
 * The session cookie on the wire: RFC 6265bis, `__Host-` by default (ASVS 3.3.1–3.3.4).
 *
 * @module
 */

/** How the session cookie is named and scoped. */
export interface CookieOptions {
  /**
   * Name without its prefix: over https the cookie is called `__Host-` + name, or `__Secure-` + name with a `domain`.
   *
   * @default 'session'
   */
  readonly name?: string
  /**
   * When other sites' requests carry it. `none` is for pages embedded in other sites.
   *
   * @default 'lax'
   */
  readonly sameSite?: 'lax' | 'strict' | 'none'
  /**
   * Domain whose subdomains share the session.
   *
   * @default this host alone
   */
  readonly domain?: string
}

/** The cookie's names and fixed attributes, worked out once. */
export interface CookieFormat {
  /** Name over https, with its prefix. */
  readonly secureName: string
  /** Name over http, where that is allowed. */
  readonly plainName: string
  readonly domain: string | undefined
  readonly sameSite: 'Lax' | 'Strict' | 'None'
}

const NAME = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/
const DOMAIN = /^[a-z0-9-]+(\.[a-z0-9-]+)*$/i
/** A path that can stand in an attribute as it is. */
const PLAIN_PATH = /^[\w/.~%!$&'()*+,=:@-]+$/
const SAME_SITE = { lax: 'Lax', strict: 'Strict', none: 'None' } as const
const NONE: readonly string[] = []

/**
 * Checks cookie options.
 *
 * @throws {TypeError} when the name, the domain or sameSite cannot stand in a cookie.
 */
export function createCookieFormat(operation: string, options: CookieOptions = {}): CookieFormat {
  const { name = 'session', sameSite = 'lax', domain } = options
  if (!NAME.test(name) || /^__(host|secure)-/i.test(name)) {
    throw new TypeError(
      `Cannot ${operation} as cookie.name must be a cookie name without __Host- or __Secure-, which is added: received ${JSON.stringify(name)}`,
    )
  }
  if (!Object.hasOwn(SAME_SITE, sameSite)) {
    throw new TypeError(
      `Cannot ${operation} as cookie.sameSite must be 'lax', 'strict' or 'none': received ${JSON.stringify(sameSite)}`,
    )
  }
  if (domain !== undefined && !DOMAIN.test(domain)) {
    throw new TypeError(
      `Cannot ${operation} as cookie.domain must be a host name: received ${JSON.stringify(domain)}`,
    )
  }
  return {
    secureName: `${domain === undefined ? '__Host-' : '__Secure-'}${name}`,
    plainName: name,
    domain,
    sameSite: SAME_SITE[sameSite],
  }
}

/**
 * Finds every value of one cookie in a `Cookie` header, in its order; empty when there is none.
 *
 * Names match byte for byte: `__host-session` is not `__Host-session` (RFC 6265bis §5.7).
 */
export function readCookies(header: string | undefined, name: string): readonly string[] {
  if (header === undefined) return NONE
  let values: string[] | undefined
  for (let at = header.indexOf(name); at !== -1; at = header.indexOf(name, at + name.length)) {
    const equals = at + name.length
    if (header.charCodeAt(equals) !== 61 || !startsPair(header, at)) continue
    const end = header.indexOf(';', equals)
    const value = header.slice(equals + 1, end === -1 ? undefined : end).trim()
    if (values) values.push(value)
    else values = [value]
  }
  return values ?? NONE
}

/** Writes a `Set-Cookie` value. `maxAge` in milliseconds; without it the cookie ends with the browser. */
export function serializeCookie(
  format: CookieFormat,
  secure: boolean,
  value: string,
  maxAge?: number,
): string {
  const { secureName, plainName, domain, sameSite } = format
  return (
    `${secure ? secureName : plainName}=${value}; Path=/` +
    (domain === undefined ? '' : `; Domain=${domain}`) +
    (maxAge === undefined ? '' : `; Max-Age=${Math.floor(maxAge / 1000)}`) +
    `; HttpOnly${secure ? '; Secure' : ''}; SameSite=${sameSite}`
  )
}

/**
 * Expires cookies of this name that were set under another path or domain.
 *
 * They cannot be told apart on the wire, so every place where one can be is named, but for our own.
 */
export function serializeStrayExpiries(
  format: CookieFormat,
  secure: boolean,
  host: string,
  path: string,
): string[] {
  const { domain } = format
  const name = secure ? format.secureName : format.plainName
  // Browsers accept such a cookie for this host and the whole of it only.
  if (name.startsWith('__Host-')) return []
  const expired = `${name}=; Max-Age=0; HttpOnly${secure ? '; Secure' : ''}`
  const labels = /^[\d.]+$/.test(host) || !DOMAIN.test(host) ? [] : host.toLowerCase().split('.')
  const domains = labels.slice(0, -1).map((_, at) => labels.slice(at).join('.'))
  const segments = PLAIN_PATH.test(path) ? path.split('/').filter(Boolean).slice(0, 4) : []
  const paths = segments.map((_, at) => `/${segments.slice(0, at + 1).join('/')}`)
  return [
    ...domains.filter((other) => other !== domain).map((other) => `${expired}; Path=/; Domain=${other}`),
    ...(domain === undefined ? [] : [`${expired}; Path=/`]),
    ...paths.map((other) => `${expired}; Path=${other}`),
  ]
}

/** Whether a cookie pair begins here: only blanks lie between this place and a `;` or the header's start. */
function startsPair(header: string, at: number): boolean {
  for (let before = at - 1; before >= 0; before--) {
    const code = header.charCodeAt(before)
    if (code === 59) return true
    if (code !== 32 && code !== 9) return false
  }
  return true
}
