/**
 * The cookies of one browser for one plain-http origin: session cookies and lifetimes, and nothing a shop has no use for.
 *
 * @module
 */

/** Cookies as a browser keeps them. */
export interface CookieJar {
  /** Takes the `Set-Cookie` lines of one answer in, in their order. A line that a browser would refuse is ignored. */
  receive(lines: readonly string[]): void
  /** Value of the `Cookie` header; `undefined` when there is nothing to send. */
  header(): string | undefined
}

/** Options of {@link createCookieJar}. */
export interface CookieJarOptions {
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

interface Cookie {
  readonly value: string
  /** First instant at which the cookie is gone; `Infinity`: gone with the browser. */
  readonly expiresAt: number
}

/**
 * Creates an empty jar.
 *
 * It is stricter than a browser: a cookie that is not host-only, not for the whole site, or `Secure` over http is
 * refused, so a shop that sets one loses its visitors at once instead of in some browsers.
 */
export function createCookieJar(options: CookieJarOptions = {}): CookieJar {
  const { now = Date.now } = options
  const cookies = new Map<string, Cookie>()

  return {
    receive(lines) {
      for (const line of lines) {
        const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
        const equals = pair.indexOf('=')
        const name = pair.slice(0, equals).trim()
        const expiresAt = readExpiry(attributes, now())
        if (equals < 1 || expiresAt === undefined || /^__(host|secure)-/i.test(name)) continue
        if (expiresAt <= now()) cookies.delete(name)
        else cookies.set(name, { value: pair.slice(equals + 1).trim(), expiresAt })
      }
    },
    header() {
      for (const [name, { expiresAt }] of cookies) if (expiresAt <= now()) cookies.delete(name)
      if (cookies.size === 0) return undefined
      return [...cookies].map(([name, { value }]) => `${name}=${value}`).join('; ')
    },
  }
}

/** First instant at which the cookie is gone; `undefined` for a cookie to refuse. */
function readExpiry(attributes: readonly string[], now: number): number | undefined {
  let path: string | undefined
  let maxAge: number | undefined
  let expires: number | undefined
  for (const attribute of attributes) {
    const [name = '', value = ''] = attribute.split(/\s*=\s*/, 2)
    switch (name.toLowerCase()) {
      case 'domain':
      case 'secure':
        return undefined
      case 'path':
        path = value
        break
      case 'max-age':
        if (/^-?\d+$/.test(value)) maxAge = Number(value)
        break
      case 'expires':
        expires = Date.parse(value)
        break
      default:
    }
  }
  if (path !== '/') return undefined
  // RFC 6265 §5.3: Max-Age wins over Expires; an unreadable date is no date.
  if (maxAge !== undefined) return maxAge <= 0 ? 0 : now + maxAge * 1_000
  return expires === undefined || Number.isNaN(expires) ? Infinity : expires
}
