/**
 * Who is asking.
 *
 * @module
 */

import { type Session, StoreUnavailableError } from 'coatcheck'
import type { Request } from 'express'
import { RequestError } from '../request-error.ts'
import type { NoticeCode, ShopSession, ShopSessions, ShopTokens } from '../shop-session.ts'
import type { User, Users } from '../users/users.ts'

/** What routes work with. */
export interface RouteParts {
  readonly sessions: ShopSessions
  readonly users: Users
  /** Absent: the shop issues no tokens. */
  readonly tokens?: ShopTokens | undefined
  /** Clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
}

/** Somebody who is logged in. */
export interface Customer {
  readonly session: Session<ShopSession>
  readonly user: User
}

/** Finds the user of a session; `undefined` for a visitor, and for a user who is no more. */
export async function findUser(session: Session<ShopSession>, users: Users): Promise<User | undefined> {
  return session.principal === undefined ? undefined : users.findById(session.principal)
}

/**
 * Loads the session of a request that needs a user.
 *
 * @throws {RequestError} `ERR_NOT_LOGGED_IN`.
 */
export async function requireCustomer(
  request: Request,
  { sessions, users }: Pick<RouteParts, 'sessions' | 'users'>,
): Promise<Customer> {
  const session = await sessions.load(request)
  const user = await findUser(session, users)
  if (!user) throw new RequestError('ERR_NOT_LOGGED_IN')
  return { session, user }
}

/** Has something told on the next page. What it tells of has happened: when it cannot be kept, it is not told. */
export async function tellNext(session: Session<ShopSession>, notice: NoticeCode): Promise<void> {
  try {
    await session.update('notice', () => notice)
  } catch (error) {
    if (!(error instanceof StoreUnavailableError)) throw error
  }
}
