/**
 * How long sessions live: an idle and an absolute timeout, both always on (ASVS 7.3.1, 7.3.2).
 *
 * @module
 */

import { type Duration, readDuration } from '../duration.ts'

/** Timeouts of the authentication assurance levels of NIST SP 800-63B-4. */
export type TimeoutPreset = 'aal1' | 'aal2' | 'aal3'

/** Options that say how long sessions live. */
export interface LifetimeOptions {
  /**
   * Timeouts of an authentication assurance level: `aal1` 30 d absolute, `aal2` 24 h and 1 h idle, `aal3` 12 h and
   * 15 min idle. A timeout given beside it wins.
   */
  readonly preset?: TimeoutPreset
  /**
   * A session unused for this long is gone. The last use is recorded coarsely, so it may live up to
   * max(30 s, 5 %) longer, never shorter.
   *
   * @default '30m'
   */
  readonly idleTimeout?: Duration
  /**
   * A session this old is gone, however much it is used. Counted from its creation, and anew from a login.
   *
   * @default '12h'
   */
  readonly absoluteTimeout?: Duration
  /**
   * Life of a session that was logged in with `remember: true`, in place of both timeouts. Its cookie outlives the
   * browser.
   *
   * @default '30d', or the absolute timeout of the preset
   */
  readonly rememberTimeout?: Duration
}

/** The timeouts of one session manager, in milliseconds. */
export interface Lifetime {
  /** A use is recorded when the last recorded one is at least this old. */
  readonly touchInterval: number
  readonly rememberTimeout: number
  /** Longest life of any session, remembered or not. */
  readonly longest: number
  /** First instant at which a session is gone that was created and last used at these instants. */
  expiresAt(createdAt: number, lastSeenAt: number, remembered: boolean): number
}

const PRESETS = {
  aal1: { idleTimeout: '30m', absoluteTimeout: '30d' },
  aal2: { idleTimeout: '1h', absoluteTimeout: '24h' },
  aal3: { idleTimeout: '15m', absoluteTimeout: '12h' },
} as const

/** Checks the timeouts of a session manager. */
export function createLifetime(operation: string, options: LifetimeOptions): Lifetime {
  const { preset } = options
  if (preset !== undefined && !Object.hasOwn(PRESETS, preset)) {
    throw new TypeError(
      `Cannot ${operation} as preset must be 'aal1', 'aal2' or 'aal3': received ${JSON.stringify(preset)}`,
    )
  }
  const defaults =
    preset === undefined ? ({ idleTimeout: '30m', absoluteTimeout: '12h' } as const) : PRESETS[preset]
  const idleTimeout = readDuration(operation, 'idleTimeout', options.idleTimeout ?? defaults.idleTimeout)
  const absoluteTimeout = readDuration(
    operation,
    'absoluteTimeout',
    options.absoluteTimeout ?? defaults.absoluteTimeout,
  )
  const rememberTimeout = readDuration(
    operation,
    'rememberTimeout',
    options.rememberTimeout ?? (preset === undefined ? '30d' : defaults.absoluteTimeout),
  )
  if (absoluteTimeout < idleTimeout) {
    throw new RangeError(
      `Cannot ${operation} as absoluteTimeout must be at least the idleTimeout of ${idleTimeout} ms: received ${absoluteTimeout} ms`,
    )
  }

  // Half the timeout at most: a session with a timeout of some seconds still has to notice that it is used.
  const touchInterval = Math.min(Math.max(30_000, idleTimeout * 0.05), idleTimeout / 2)
  return {
    touchInterval,
    rememberTimeout,
    longest: Math.max(absoluteTimeout, rememberTimeout),
    expiresAt(createdAt, lastSeenAt, remembered) {
      if (remembered) return createdAt + rememberTimeout
      return Math.min(lastSeenAt + idleTimeout + touchInterval, createdAt + absoluteTimeout)
    },
  }
}
