/**
 * Failures that a caller of the engine can meet.
 *
 * @module
 */

import type { CorruptRecordError, StoreUnavailableError } from '../stores/store.ts'

/** Every stable `code` of this package's errors, to `switch` on. */
export type ErrorCode =
  | StoreUnavailableError['code']
  | CorruptRecordError['code']
  | SessionConflictError['code']
  | SessionSupersededError['code']
  | SessionTooLargeError['code']
  | LateWriteError['code']

/** Other writers kept winning until the deadline, so the change was not stored. Trying again is safe. */
export class SessionConflictError extends Error {
  override readonly name = 'SessionConflictError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_SESSION_CONFLICT'
  /** HTTP status that fits, read by Express, Koa and Fastify. */
  readonly status = 503
  /** HTTP headers that fit, read by Express. */
  readonly headers = { 'Retry-After': '1' }
}

/**
 * The visitor logged in through a parallel request, so this one still carries the id from before.
 *
 * Nothing was stored: storing would either write into the logged-in session with an id that an attacker may have
 * planted, or replace the new cookie and log the user out. The browser tries again with its new cookie.
 */
export class SessionSupersededError extends Error {
  override readonly name = 'SessionSupersededError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_SESSION_SUPERSEDED'
  /** HTTP status that fits, read by Express, Koa and Fastify. */
  readonly status = 409
  /** HTTP headers that fit, read by Express. */
  readonly headers = { 'Retry-After': '0' }
}

/** The session would grow beyond what every store accepts, so the change was not stored. */
export class SessionTooLargeError extends RangeError {
  override readonly name = 'SessionTooLargeError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_SESSION_TOO_LARGE'
  /** HTTP status that fits, read by Express, Koa and Fastify. */
  readonly status = 413
}

/** The answer has begun, so its session can no longer be committed before it or get a cookie. A programming error. */
export class LateWriteError extends Error {
  override readonly name = 'LateWriteError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_LATE_WRITE'
}
