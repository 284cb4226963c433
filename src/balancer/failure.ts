/**
 * Tells apart the ways in which a request to a server can fail.
 *
 * @module
 */

/** What went wrong with an attempt that has brought no answer. */
export type Failure =
  /** There was no connection, so not a byte was sent. */
  | 'unreachable'
  /** The connection broke, or the server went down, while the answer was awaited. */
  | 'lost'
  /** The server took longer than it may. */
  | 'timeout'
  /** The server answered with something that is not HTTP, or that must not be passed on. */
  | 'invalid'
  /** The request's own fault: its body is not as long as announced, or the client left. */
  | 'request'

/** The server went down while a request was waiting for it. */
export class UpstreamDownError extends Error {
  override readonly name = 'UpstreamDownError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_UPSTREAM_DOWN'
}

/**
 * Classifies what undici reports.
 *
 * @param connected Whether the attempt had a connection.
 */
export function failureOf(error: Error, connected: boolean): Failure {
  const { code = '' } = error as NodeJS.ErrnoException
  if (REQUEST.has(code)) return 'request'
  if (!connected) return 'unreachable'
  if (code === 'UND_ERR_HEADERS_TIMEOUT') return 'timeout'
  return LOST.has(code) ? 'lost' : 'invalid'
}

/** Status and text for a failure that cannot be mended by asking another server. */
export function answerTo(failure: Failure): { readonly status: number; readonly reason: string } {
  return ANSWERS[failure]
}

/** Methods that may be sent twice (RFC 9110, 9.2.2). */
export const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'OPTIONS', 'PUT', 'DELETE'])

const REQUEST = new Set([
  'UND_ERR_INVALID_ARG',
  'UND_ERR_NOT_SUPPORTED',
  'UND_ERR_REQ_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_ABORTED',
])
const LOST = new Set([
  'ERR_UPSTREAM_DOWN',
  'UND_ERR_SOCKET',
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ETIMEDOUT',
])
const ANSWERS = {
  unreachable: { status: 503, reason: 'the server cannot be reached' },
  lost: { status: 502, reason: 'the server was lost before it answered; the request may have taken effect' },
  timeout: { status: 504, reason: 'the server took too long to answer; the request may have taken effect' },
  invalid: { status: 502, reason: 'the server gave an invalid answer' },
  request: { status: 400, reason: 'the request is malformed or incomplete' },
} as const satisfies Record<Failure, { readonly status: number; readonly reason: string }>
