/**
 * What the shop keeps in a session.
 *
 * @module
 */

import type { RevocableSessions, UserSessions } from 'coatcheck'
import type { TokenPairs, Tokens } from 'coatcheck/tokens'

/** Sessions of the shop, on any store that can at least log a user out everywhere. */
export type ShopSessions = UserSessions<ShopSession> | RevocableSessions<ShopSession>

/** Tokens that a login is exchanged for. */
export type ShopTokens = Tokens & TokenPairs

/** Session data of the shop. */
export interface ShopSession {
  /** Items in the order in which they were added: ids from the catalogue, or any text that a client sent. */
  cart: string[]
  /** Instant of the first visit, in milliseconds since the Unix epoch. */
  firstSeenAt: number
  /** Something to tell on the next page, once. */
  notice: NoticeCode
}

/** What there is to tell. The texts are in `texts.ts`. */
export type NoticeCode =
  | 'registered'
  | 'logged-in'
  | 'item-added'
  | 'item-removed'
  | 'session-revoked'
  | 'others-revoked'
