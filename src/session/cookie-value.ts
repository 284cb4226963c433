/**
 * What a session cookie holds: the id and, where the store keeps copies, which version its next reader must have seen.
 *
 * @module
 */

import type { SessionStore } from '../stores/store.ts'
import type { OwnedSession } from './engine.ts'
import { isSessionId } from './id.ts'

/** What a cookie claims. */
export interface CookieClaim {
  readonly id: string
  /** What it says of the version that the browser has seen. */
  readonly stamp: string | undefined
}

/** Translates between sessions and the values of their cookies. */
export interface CookieValues {
  /** Whether each write of a session changes the value, so that the cookie has to be sent again. */
  readonly followWrites: boolean
  encode(owned: OwnedSession): string
  /** Reads a value by its shape alone; `undefined` when it cannot be a session's. Says nothing of whether it is one. */
  decode(value: string): CookieClaim | undefined
}

const ID_LENGTH = 43
const STAMP = /^\.[A-Za-z0-9_-]{1,64}$/

/**
 * Creates the cookie values of one manager.
 *
 * A stamp is accepted where the store keeps no copies, and ignored: the cookie may be from before a change of stores.
 */
export function createCookieValues({ copies }: Pick<SessionStore, 'copies'>): CookieValues {
  function decode(value: string): CookieClaim | undefined {
    if (value.length === ID_LENGTH) return isSessionId(value) ? { id: value, stamp: undefined } : undefined
    const id = value.slice(0, ID_LENGTH)
    const rest = value.slice(ID_LENGTH)
    if (!isSessionId(id) || !STAMP.test(rest)) return undefined
    return { id, stamp: rest.slice(1) }
  }

  return {
    followWrites: copies !== undefined,
    encode: ({ id, snapshot: { key, version } }) => (copies ? `${id}.${copies.stamp(key, version)}` : id),
    decode,
  }
}
