/**
 * The SQLite file that the shop's servers share for their users, reached without ever blocking the event loop for long.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'

/** What the shop calls on a SQLite client. `libsql` and `better-sqlite3` fit. */
export interface SqlDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqlStatement
}

/** What the shop calls on a prepared statement. */
export interface SqlStatement {
  run(...values: SqlValue[]): unknown
  get(...values: SqlValue[]): unknown
  all(...values: SqlValue[]): unknown[]
}

/** A value bound to a statement. */
export type SqlValue = string | number | null

/** The users' database gave no answer in time. */
export class UsersUnavailableError extends Error {
  override readonly name = 'UsersUnavailableError'
  /** Stable identifier of this failure. */
  readonly code = 'ERR_USERS_UNAVAILABLE'
  /** HTTP status that fits. */
  readonly status = 503
  /** HTTP headers that fit. */
  readonly headers = { 'Retry-After': '1' }
}

const LOCK_TIMEOUT = 2_000

const MIGRATION = `
  CREATE TABLE IF NOT EXISTS shop_users (
    id TEXT PRIMARY KEY,
    username TEXT NOT NULL,
    username_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    created_at INTEGER NOT NULL
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS shop_login_tries (
    id INTEGER PRIMARY KEY,
    user_key TEXT NOT NULL,
    address_key TEXT NOT NULL,
    began_at INTEGER NOT NULL,
    failed INTEGER NOT NULL
  ) STRICT;
  CREATE INDEX IF NOT EXISTS shop_login_tries_by_user ON shop_login_tries (user_key, began_at);
  CREATE INDEX IF NOT EXISTS shop_login_tries_by_address ON shop_login_tries (address_key, began_at);
  CREATE INDEX IF NOT EXISTS shop_login_tries_by_time ON shop_login_tries (began_at);
`

/**
 * Prepares a database for {@link createUserDatabase}; harmless when it is already prepared.
 *
 * Several servers may call it at once. Each connection has to, as it also sets how the connection waits for locks.
 *
 * @throws {UsersUnavailableError} when the file stays locked.
 */
export async function migrateUserDatabase(database: SqlDatabase): Promise<void> {
  // The client is synchronous: what it waits for a lock, every request of this process waits.
  database.exec('PRAGMA busy_timeout = 2')
  await retryWhileLocked(() => database.exec('PRAGMA journal_mode = WAL'))
  database.exec('PRAGMA synchronous = NORMAL')
  await transact(database, () => database.exec(MIGRATION))
}

/**
 * Runs synchronous work in one write transaction, trying again while another process holds the lock.
 *
 * @throws {UsersUnavailableError} when the lock was not free within two seconds, or the database failed.
 */
export async function transact<T>(database: SqlDatabase, work: () => T): Promise<T> {
  return retryWhileLocked(() => {
    // IMMEDIATE takes the write lock first: a transaction that reads before it writes could not be retried half-way.
    database.exec('BEGIN IMMEDIATE')
    try {
      const result = work()
      database.exec('COMMIT')
      return result
    } catch (error) {
      database.exec('ROLLBACK')
      throw error
    }
  })
}

/**
 * Runs one synchronous statement, trying again while another process holds the lock.
 *
 * @throws {UsersUnavailableError} when the lock was not free within two seconds, or the database failed.
 */
export async function retryWhileLocked<T>(work: () => T): Promise<T> {
  const deadline = performance.now() + LOCK_TIMEOUT
  while (true) {
    try {
      return work()
    } catch (error) {
      const code = sqliteCode(error)
      if (code === undefined) throw error
      if (!/^SQLITE_(?:BUSY|LOCKED)/.test(code) || performance.now() > deadline) {
        throw new UsersUnavailableError('Cannot use the database of users', { cause: error })
      }
    }
    await delay(2 + Math.random() * 8)
  }
}

function sqliteCode(error: unknown): string | undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return typeof code === 'string' && code.startsWith('SQLITE_') ? code : undefined
}
