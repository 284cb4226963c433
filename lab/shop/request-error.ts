/**
 * Requests that the shop refuses, and how any failure looks to a client.
 *
 * @module
 */

import { STATUS_CODES } from 'node:http'
import type { ErrorText } from './texts/texts.ts'

/** Stable identifiers of the shop's own refusals. */
export type RequestErrorCode =
  | 'ERR_INVALID_USERNAME'
  | 'ERR_INVALID_PASSWORD'
  | 'ERR_INVALID_ITEM'
  | 'ERR_CART_FULL'
  | 'ERR_USERNAME_TAKEN'
  | 'ERR_WRONG_CREDENTIALS'
  | 'ERR_TOO_MANY_TRIES'
  | 'ERR_NOT_LOGGED_IN'
  | 'ERR_INVALID_TOKEN'
  | 'ERR_SESSION_NOT_FOUND'
  | 'ERR_SESSION_ENDED'
  | 'ERR_CROSS_SITE'
  | 'ERR_NOT_FOUND'

const STATUS: Readonly<Record<RequestErrorCode, number>> = {
  ERR_INVALID_USERNAME: 400,
  ERR_INVALID_PASSWORD: 400,
  ERR_INVALID_ITEM: 400,
  ERR_CART_FULL: 400,
  ERR_USERNAME_TAKEN: 409,
  ERR_WRONG_CREDENTIALS: 401,
  ERR_TOO_MANY_TRIES: 429,
  ERR_NOT_LOGGED_IN: 401,
  ERR_INVALID_TOKEN: 401,
  ERR_SESSION_NOT_FOUND: 404,
  ERR_SESSION_ENDED: 409,
  ERR_CROSS_SITE: 403,
  ERR_NOT_FOUND: 404,
}

/** The shop refuses a request. */
export class RequestError extends Error {
  override readonly name = 'RequestError'
  /** Stable identifier of the reason. */
  readonly code: RequestErrorCode
  /** HTTP status of the answer. */
  readonly status: number
  /** HTTP headers of the answer. */
  readonly headers: Readonly<Record<string, string>>

  constructor(code: RequestErrorCode, headers: Readonly<Record<string, string>> = {}) {
    super(`The shop refused a request: ${code}`)
    this.code = code
    this.status = STATUS[code]
    this.headers = headers
  }
}

/** A failure as a client sees it. */
export interface Problem {
  readonly status: number
  readonly code: string
  readonly headers: Readonly<Record<string, string>>
  /** Which text explains it. */
  readonly text: ErrorText
}

/** Reads what a client may know out of any error. Errors that nobody foresaw become a plain 500. */
export function describeProblem(error: unknown): Problem {
  if (error instanceof RequestError) return { ...pick(error), text: error.code }
  const { status, code, headers } = pick(error)
  if (status === 503)
    return { status, code, headers: { 'Retry-After': '1', ...headers }, text: 'unavailable' }
  if (status === 409) return { status, code, headers, text: 'superseded' }
  if (status === 413) return { status, code, headers, text: 'tooLarge' }
  if (status >= 400 && status < 500) return { status, code, headers: {}, text: 'badRequest' }
  return { status: 500, code: 'ERR_INTERNAL', headers: {}, text: 'internal' }
}

function pick(error: unknown): Omit<Problem, 'text'> {
  const { status, code, headers } = (error instanceof Error ? error : {}) as {
    readonly status?: unknown
    readonly code?: unknown
    readonly headers?: unknown
  }
  const known = typeof status === 'number' && status in STATUS_CODES ? status : 500
  return {
    status: known,
    code: typeof code === 'string' ? code : known === 404 ? 'ERR_NOT_FOUND' : 'ERR_BAD_REQUEST',
    headers: isHeaders(headers) ? headers : {},
  }
}

function isHeaders(value: unknown): value is Readonly<Record<string, string>> {
  return typeof value === 'object' && value !== null
}
