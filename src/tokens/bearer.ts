/**
 * Bearer tokens over HTTP (RFC 6750): where a request carries its token, and what a refusal answers.
 *
 * @module
 */

import type { SignatureRejection } from './jose/foreign-signature.ts'
import type { TokenRejection } from './verify.ts'

/** The part of a Node request that is read. */
export interface BearerNodeRequest {
  /** Header names and values in turn, as they came: `IncomingMessage.rawHeaders`. */
  readonly rawHeaders: readonly string[]
}

/** The part of a Web request that is read: a `Request`, or an object around its `Headers`. */
export interface BearerWebRequest {
  readonly headers: { get(name: string): string | null }
}

/** Why there is no token to verify. */
export type BearerRejection =
  /** No credentials at all, or of another scheme. */
  | 'missing'
  /** Several credentials, or something that is no token. */
  | 'bad-request'

/** What a request carries. */
export type BearerCredentials =
  | { readonly ok: true; readonly token: string }
  | { readonly ok: false; readonly reason: BearerRejection }

/** The answer to a request whose token is missing, refused, or good for something else. */
export interface BearerChallenge {
  readonly status: 400 | 401 | 403 | 503
  /** Headers to set. */
  readonly headers: Readonly<Record<string, string>>
}

/** Options of {@link bearerChallenge}. */
export interface BearerChallengeOptions {
  /** Name of the protected space. Printable ASCII without quotes. */
  readonly realm?: string
  /** The scope that the request needs, told with `'insufficient-scope'`. */
  readonly scope?: string
}

/** Everything that a challenge can be made of. */
export type ChallengeReason = BearerRejection | TokenRejection | SignatureRejection | 'insufficient-scope'

/** RFC 6750 §2.1: the scheme in any letters, one space or more, and one `b64token`. */
const CREDENTIALS = /^bearer +([\w\-.~+/]+=*)$/i

/**
 * Reads the token of a request from its one `Authorization` header. It never looks into the query or the body, where tokens
 * end up in logs and histories (RFC 9700 §4.3.2).
 *
 * Node drops a second `Authorization` header from `req.headers`, so that two programs in a row may see different ones;
 * this reads `rawHeaders` and refuses both.
 *
 * @param request An `IncomingMessage` (also `req` of Express, `request.raw` of Fastify, `ctx.req` of Koa), or a Web `Request`.
 */
export function readBearer(request: BearerNodeRequest | BearerWebRequest): BearerCredentials {
  const values = 'rawHeaders' in request ? readRaw(request.rawHeaders) : readWeb(request.headers)
  const [value] = values
  if (value === undefined) return MISSING
  if (values.length > 1) return BAD_REQUEST
  // Another scheme is not ours to judge; a list of credentials is, whoever comes first.
  if (!/^bearer(?: |$)/i.test(value))
    return value.includes(',') && /\bbearer /i.test(value) ? BAD_REQUEST : MISSING
  const token = CREDENTIALS.exec(value)?.[1]
  return token === undefined ? BAD_REQUEST : { ok: true, token }
}

const MISSING: BearerCredentials = Object.freeze({ ok: false, reason: 'missing' })
const BAD_REQUEST: BearerCredentials = Object.freeze({ ok: false, reason: 'bad-request' })

function readRaw(rawHeaders: readonly string[]): readonly string[] {
  const values: string[] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() === 'authorization') values.push(rawHeaders[index + 1] as string)
  }
  return values
}

/** `Headers` joins several values by a comma, which no token holds, so that the shape of a token refuses them. */
function readWeb(headers: BearerWebRequest['headers']): readonly string[] {
  const value = headers.get('authorization')
  return value === null ? [] : [value]
}

/**
 * Makes the answer to a request that is refused: status and `WWW-Authenticate` (RFC 6750 §3).
 *
 * It says that a token is not good, never why: that is for logs. A request without credentials is told the scheme alone.
 *
 * @throws {TypeError} when realm or scope hold a character that the header cannot.
 * @example
 * ```ts
 * const credentials = readBearer(req)
 * const answer = credentials.ok ? tokens.verify(credentials.token) : credentials
 * if (!answer.ok) {
 *   const { status, headers } = bearerChallenge(answer.reason)
 *   res.writeHead(status, headers).end()
 * }
 * ```
 */
export function bearerChallenge(
  reason: ChallengeReason,
  options: BearerChallengeOptions = {},
): BearerChallenge {
  const { realm, scope } = options
  assertQuotable('realm', realm)
  assertQuotable('scope', scope)
  const { status, error } = describe(reason)
  // Nobody can tell whether the token is good, so it is no fault of the client's: it comes back with the same one.
  if (status === 503) return { status, headers: { 'Retry-After': '1', 'Cache-Control': 'no-store' } }
  const parameters = [
    realm !== undefined && `realm="${realm}"`,
    error !== undefined && `error="${error}"`,
    scope !== undefined && reason === 'insufficient-scope' && `scope="${scope}"`,
  ].filter((parameter) => parameter !== false)
  const challenge = parameters.length > 0 ? `Bearer ${parameters.join(', ')}` : 'Bearer'
  return { status, headers: { 'WWW-Authenticate': challenge, 'Cache-Control': 'no-store' } }
}

function describe(reason: ChallengeReason): {
  readonly status: BearerChallenge['status']
  readonly error?: string
} {
  switch (reason) {
    case 'missing':
      return { status: 401 }
    case 'bad-request':
      return { status: 400, error: 'invalid_request' }
    case 'insufficient-scope':
      return { status: 403, error: 'insufficient_scope' }
    case 'revocation-unknown':
    case 'keys-unavailable':
      return { status: 503 }
    case 'malformed':
    case 'too-long':
    case 'unknown-key':
    case 'bad-header':
    case 'bad-signature':
    case 'bad-claims':
    case 'wrong-issuer':
    case 'wrong-audience':
    case 'expired':
    case 'not-yet-valid':
    case 'revoked':
      return { status: 401, error: 'invalid_token' }
  }
  return reason satisfies never
}

function assertQuotable(option: string, value: string | undefined): void {
  if (value !== undefined && !/^[\x20\x21\x23-\x5b\x5d-\x7e]*$/.test(value)) {
    throw new TypeError(
      `Cannot make a challenge as ${option} must be printable ASCII without quotes and backslashes`,
    )
  }
}

/** Tells whether a `scope` claim includes one permission, or all of several. */
export function hasScope(claims: { readonly scope?: unknown }, ...needed: readonly string[]): boolean {
  const granted = typeof claims.scope === 'string' ? claims.scope.split(' ') : []
  return needed.every((permission) => granted.includes(permission))
}
