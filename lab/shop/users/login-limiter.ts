/**
 * Limits failed logins per user and per address, for all servers together: the tries are rows of the shared database.
 *
 * A try takes its place *before* the password is checked, so a burst of parallel guesses gets no more checks than the
 * same guesses one after another. A right password takes no place for good: only failures count.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { addressKey } from './address-key.ts'
import { type SqlDatabase, transact } from './database.ts'

/** Options of {@link createLoginLimiter}. */
export interface LoginLimiterOptions {
  /**
   * Failed tries that one user name may have within the interval, from anywhere.
   *
   * @default 10
   */
  readonly userLimit?: number
  /**
   * Failed tries that one address may have within the interval, whatever the user names.
   *
   * @default 50
   */
  readonly addressLimit?: number
  /**
   * How long a failure counts, in milliseconds.
   *
   * @default 900_000
   */
  readonly interval?: number
  /**
   * Most tries kept; beyond, the oldest are forgotten.
   *
   * @default 100_000
   */
  readonly capacity?: number
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

/** A try that was let through. Exactly one of its methods is called. */
export interface LoginTry {
  /** The password was right: this user's failures are forgotten. */
  succeed(): Promise<void>
  /** The password was wrong: the try counts. */
  fail(): Promise<void>
  /** The password could not be checked: the try never happened. */
  abandon(): Promise<void>
}

/** Whether a try may go on. */
export type LoginPermit =
  | { readonly allowed: true; readonly try: LoginTry }
  /** `retryAfter`: milliseconds until the next try is allowed. */
  | { readonly allowed: false; readonly retryAfter: number }

/** Decides who may try a password. */
export interface LoginLimiter {
  /**
   * Asks for one try of `username` from `address`.
   *
   * While tries under way could still use up the limit, it waits for them.
   */
  begin(username: string, address: string): Promise<LoginPermit>
}

/** A try whose process died before it ended counts as a failure after this time. */
const TRY_TIMEOUT = 10_000
const CROWD_TIMEOUT = 5_000
const RETRY_AFTER_CROWD = 1_000

interface TryRow {
  readonly began_at: number
  readonly failed: number
}

/** Creates a limiter on a database that `migrateUserDatabase` has prepared. */
export function createLoginLimiter(database: SqlDatabase, options: LoginLimiterOptions = {}): LoginLimiter {
  const {
    userLimit = 10,
    addressLimit = 50,
    interval = 15 * 60_000,
    capacity = 100_000,
    now = Date.now,
  } = options
  const byUser = database.prepare(
    'SELECT began_at, failed FROM shop_login_tries WHERE user_key = ? AND began_at > ? ORDER BY began_at',
  )
  const byAddress = database.prepare(
    'SELECT began_at, failed FROM shop_login_tries WHERE address_key = ? AND began_at > ? ORDER BY began_at',
  )
  const forget = database.prepare(
    'DELETE FROM shop_login_tries WHERE id IN (SELECT id FROM shop_login_tries WHERE began_at <= ? LIMIT 20)',
  )
  const trim = database.prepare(
    'DELETE FROM shop_login_tries WHERE id <= (SELECT max(id) FROM shop_login_tries) - ?',
  )
  const insert = database.prepare(
    'INSERT INTO shop_login_tries (user_key, address_key, began_at, failed) VALUES (?, ?, ?, 0) RETURNING id',
  )
  const settle = database.prepare('UPDATE shop_login_tries SET failed = 1 WHERE id = ?')
  const remove = database.prepare('DELETE FROM shop_login_tries WHERE id = ?')
  const reset = database.prepare('DELETE FROM shop_login_tries WHERE user_key = ?')

  return {
    async begin(username, address) {
      const user = hashKey(username)
      const origin = addressKey(address)
      const deadline = performance.now() + CROWD_TIMEOUT
      while (true) {
        const verdict = await transact(database, () => reserve(user, origin))
        if (verdict.kind === 'allowed') return { allowed: true, try: createTry(verdict.id, user) }
        if (verdict.kind === 'limited') return { allowed: false, retryAfter: verdict.retryAfter }
        if (performance.now() > deadline) return { allowed: false, retryAfter: RETRY_AFTER_CROWD }
        await delay(10 + Math.random() * 20)
      }
    },
  }

  function reserve(user: string, origin: string) {
    const time = now()
    forget.run(time - interval)
    const judgements = [
      judge(byUser.all(user, time - interval) as TryRow[], userLimit, time),
      judge(byAddress.all(origin, time - interval) as TryRow[], addressLimit, time),
    ]
    const retryAfter = Math.max(...judgements.map((judgement) => judgement.retryAfter))
    if (retryAfter > 0) return { kind: 'limited', retryAfter } as const
    if (judgements.some((judgement) => judgement.crowded)) return { kind: 'crowded' } as const
    const { id } = insert.get(user, origin, time) as { id: number }
    trim.run(capacity)
    return { kind: 'allowed', id } as const
  }

  /** `crowded`: the limit would be used up if all those under way failed. */
  function judge(tries: readonly TryRow[], limit: number, time: number) {
    const failures = tries.filter((row) => row.failed === 1 || row.began_at <= time - TRY_TIMEOUT)
    const decisive = failures.at(-limit)
    return {
      retryAfter: decisive ? decisive.began_at + interval - time : 0,
      crowded: tries.length >= limit,
    }
  }

  function createTry(id: number, user: string): LoginTry {
    return {
      succeed: () => transact(database, () => void reset.run(user)),
      fail: () => transact(database, () => void settle.run(id)),
      abandon: () => transact(database, () => void remove.run(id)),
    }
  }
}

/** People type passwords into the user name field; what was tried is never kept readable. */
function hashKey(username: string): string {
  return createHash('sha256').update(username).digest('base64url')
}
