/**
 * The options of refresh tokens, checked once.
 *
 * @module
 */

import type { RefreshOptions, RefreshRevocations } from '../refresh.ts'

/** The options with their defaults. */
export interface RefreshSettings extends Required<
  Pick<RefreshOptions, 'keys' | 'grace' | 'idleTimeout' | 'absoluteTimeout' | 'timeout' | 'now'>
> {
  readonly revocations: RefreshRevocations | undefined
  readonly authorize: RefreshOptions['authorize'] | undefined
  readonly onEvent: RefreshOptions['onEvent'] | undefined
}

const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

/**
 * Reads the options.
 *
 * @throws {TypeError} when `revocations` is missing.
 * @throws {RangeError} when a duration is out of range.
 */
export function readRefreshOptions(options: RefreshOptions): RefreshSettings {
  const { keys, grace = 30_000, idleTimeout = 7 * DAY, absoluteTimeout = 30 * DAY, timeout = 500 } = options
  const { now = Date.now, authorize, onEvent } = options
  const durations = { idleTimeout, absoluteTimeout, timeout }
  for (const [name, value] of Object.entries(durations)) {
    if (value > 0 && Number.isFinite(value)) continue
    throw new RangeError(
      `Cannot create refresh tokens as ${name} must be > 0 milliseconds: received ${value}`,
    )
  }
  // A long grace is a long time for a thief; none at all logs out whoever loses an answer.
  if (!(grace >= 0 && grace <= 5 * MINUTE)) {
    throw new RangeError(
      `Cannot create refresh tokens as grace must be from 0 to 300000 ms: received ${grace}`,
    )
  }
  const settings = { keys, grace, idleTimeout, absoluteTimeout, timeout, now, authorize, onEvent }
  return { ...settings, revocations: readRevocations(options.revocations) }
}

function readRevocations(value: unknown): RefreshRevocations | undefined {
  if (value === 'access-tokens-outlive-logout') return undefined
  if (typeof value === 'object' && value !== null && 'revokeSession' in value)
    return value as RefreshRevocations
  throw new TypeError(
    "Cannot create refresh tokens as revocations must be given: pass createRevocations(…), or 'access-tokens-outlive-logout' to do without",
  )
}
