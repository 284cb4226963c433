/**
 * The options of refresh tokens, checked once.
 *
 * @module
 */

import { type Duration, readDuration } from '../../duration.ts'
import type { RefreshOptions, RefreshRevocations } from '../refresh.ts'

/** The options with their defaults; durations in milliseconds. */
export interface RefreshSettings {
  readonly keys: readonly Uint8Array[]
  readonly grace: number
  readonly idleTimeout: number
  readonly absoluteTimeout: number
  readonly timeout: number
  readonly now: () => number
  readonly revocations: RefreshRevocations | undefined
  readonly authorize: RefreshOptions['authorize'] | undefined
  readonly onEvent: RefreshOptions['onEvent'] | undefined
}

const LONGEST_GRACE = 300_000

/**
 * Reads the options.
 *
 * @throws {TypeError} when `revocations` is missing, or a duration is none.
 * @throws {RangeError} when a duration is out of range.
 */
export function readRefreshOptions(options: RefreshOptions): RefreshSettings {
  const { keys, grace = '30s', idleTimeout = '7d', absoluteTimeout = '30d', timeout = '500ms' } = options
  const { now = Date.now, authorize, onEvent } = options
  const read = (name: string, value: Duration) => readDuration('create refresh tokens', name, value)
  const settings = {
    keys,
    // None at all logs out whoever loses an answer.
    grace: read('grace', grace),
    idleTimeout: read('idleTimeout', idleTimeout),
    absoluteTimeout: read('absoluteTimeout', absoluteTimeout),
    timeout: read('timeout', timeout),
    now,
    authorize,
    onEvent,
    revocations: readRevocations(options.revocations),
  }
  if (settings.grace <= LONGEST_GRACE) return settings
  throw new RangeError(
    `Cannot create refresh tokens as grace must be at most 5 minutes, as it is a thief's too: received ${grace}`,
  )
}

function readRevocations(value: unknown): RefreshRevocations | undefined {
  if (value === 'access-tokens-outlive-logout') return undefined
  if (typeof value === 'object' && value !== null && 'revokeSession' in value)
    return value as RefreshRevocations
  throw new TypeError(
    "Cannot create refresh tokens as revocations must be given: pass createRevocations(…), or 'access-tokens-outlive-logout' to do without",
  )
}
