/**
 * Whether a request comes from a page of this very site, as far as browsers tell.
 *
 * A cookie goes along with what another site's page asks for. Whoever acts on a cookie that the session engine does not
 * manage has to ask this first.
 *
 * @module
 */

/** The part of a Node request that is read: an `IncomingMessage`, also `req` of Express. */
export interface OriginNodeRequest {
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
}

/** The part of a Web request that is read: a `Request`, or an object around its `Headers`. */
export interface OriginWebRequest {
  readonly headers: { get(name: string): string | null }
}

/** Options of {@link isSameOrigin}. */
export interface SameOriginOptions {
  /**
   * The site's own origin, such as `https://shop.example`. With it, an `Origin` must be the same to the character; give
   * it where a proxy replaces `Host`, or http and https are both served.
   *
   * @default the `Host` header, compared with the host of `Origin`
   */
  readonly origin?: string
}

/**
 * Tells whether a request was made by a page of the same origin, by the user, or by no browser at all.
 *
 * Browsers say so in `Sec-Fetch-Site` (all since 2023, over https and on localhost) and in `Origin`, which scripts
 * cannot set. A sibling subdomain counts as another site. A request with neither header is from no browser of these
 * days, so no page has made it with somebody's cookie. Ask before everything that changes something; requests that
 * only read need it where answers can be told apart from outside.
 *
 * @example
 * ```ts
 * if (req.method !== 'GET' && !isSameOrigin(req)) return res.writeHead(403).end()
 * ```
 */
export function isSameOrigin(
  request: OriginNodeRequest | OriginWebRequest,
  options: SameOriginOptions = {},
): boolean {
  const site = readHeader(request, 'sec-fetch-site')
  // `none`: the user asked for it, by a bookmark or by pressing reload.
  if (site !== undefined) return site === 'same-origin' || site === 'none'
  const origin = readHeader(request, 'origin')
  if (origin === undefined) return true
  if (options.origin !== undefined) return origin === options.origin
  const host = readHeader(request, 'host')
  return host !== undefined && hostOf(origin) === host.toLowerCase()
}

/** Reads a header of a Node or Web request. */
export function readHeader(
  { headers }: OriginNodeRequest | OriginWebRequest,
  name: string,
): string | undefined {
  const value = isWeb(headers) ? headers.get(name) : headers[name]
  // Node joins what came twice by a comma, and that is none of the values that are good.
  return typeof value === 'string' ? value : value?.join(', ')
}

function isWeb(headers: object): headers is OriginWebRequest['headers'] {
  return typeof (headers as Partial<OriginWebRequest['headers']>).get === 'function'
}

/** `undefined` for `null`, which frames without an origin of their own send. */
function hostOf(origin: string): string | undefined {
  return URL.canParse(origin) ? new URL(origin).host : undefined
}
