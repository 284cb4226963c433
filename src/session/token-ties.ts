/**
 * What ties tokens to a session, so that they end with it.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import type { Attributes } from './attributes.ts'

/** Where it is noted that something was revoked which is not in the store, as `createRevocations` of `coatcheck/tokens`. */
export interface TokenRevocations {
  /**
   * Revokes every token that is tied to a session. Resolves when that is stored.
   *
   * @param sub The session's user, where there is one.
   */
  revokeSession(sid: string, sub?: string): Promise<unknown>
  /** Revokes every token of a user that was issued until now. Resolves when that is stored. */
  revokeUser(sub: string): Promise<unknown>
}

/** An attribute of its own: it is merged, carried along and dropped as the others are. */
export const TOKEN_SESSION = 'coatcheck:sid'

/** Mints an id for the claim `sid`. It names the session for as long as it lives, whatever ids its cookie had. */
export function mintTokenSession(): string {
  return randomBytes(16).toString('base64url')
}

/** The id that tokens were tied to; `undefined` when there are none. */
export function tokenSessionOf(attributes: Attributes): string | undefined {
  const sid = attributes[TOKEN_SESSION]
  return typeof sid === 'string' ? sid : undefined
}
