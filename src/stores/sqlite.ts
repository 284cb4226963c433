/**
 * Sessions in an SQLite file that the processes of one machine share.
 *
 * @module
 */

import type { IndexedSessionStore, SessionStore } from './store.ts'
import { createLockQueue } from './sqlite/lock-queue.ts'
import { installOutbox } from './sqlite/outbox.ts'
import { decodeSession, findCorruption, isExpired, recordParameters, versionOf } from './sqlite/rows.ts'
import { toText } from './plain-text.ts'
import { applyMigrations, assertTableName } from './sqlite/schema.ts'
import { prepareStatements } from './sqlite/statements.ts'
import { createSweeper } from './sqlite/sweep.ts'

export { createSqliteInvalidations, type SqliteInvalidationsOptions } from './sqlite/invalidations.ts'

/** What the store binds. */
export type SqliteParameter = string | number | null

/** The methods of a prepared statement that the store calls. */
export interface SqliteStatement {
  get(...parameters: SqliteParameter[]): unknown
  all(...parameters: SqliteParameter[]): unknown[]
  run(...parameters: SqliteParameter[]): { readonly changes: number | bigint }
}

/** The part of a database connection that the store uses: `libsql`, `better-sqlite3` and `node:sqlite` fit. */
export interface SqliteDatabase {
  exec(sql: string): unknown
  prepare(sql: string): SqliteStatement
  /** `false` once the connection is closed, where the client says so. */
  readonly open?: unknown
}

/** Options of {@link createSqliteStore}. */
export interface SqliteStoreOptions {
  /**
   * Clock, in milliseconds since the Unix epoch. All processes on a file are on one machine and share its clock.
   *
   * @default Date.now
   */
  readonly now?: () => number
  /**
   * Table of the sessions: letters, digits and `_`. Further tables are named after it.
   *
   * @default 'coatcheck_sessions'
   */
  readonly tableName?: string
  /**
   * How long a call waits for a lock that another process holds, in milliseconds. Keep it below the deadline that
   * the engine gives its store.
   *
   * @default 400
   */
  readonly busyTimeout?: number
  /**
   * What an acknowledged write survives. Either survives the death of the process, `kill -9` included; `'full'` also
   * a power failure, at the price of a disk sync for each write; after a power failure `'normal'` may have lost the
   * last writes, but has never damaged the file.
   *
   * The same as `PRAGMA synchronous`, which itself needs a lock and would fail while another process migrates.
   *
   * @default what the connection is set to; for SQLite itself that is `'full'`
   */
  readonly synchronous?: 'normal' | 'full'
}

/** Options of {@link migrateSqliteStore}. */
export interface SqliteMigrationOptions {
  /** Table of the sessions, as given to {@link createSqliteStore}. @default 'coatcheck_sessions' */
  readonly tableName?: string
  /** How long to wait for a lock that another process holds, in milliseconds. @default 10_000 */
  readonly busyTimeout?: number
  /**
   * Makes the outbox that {@link createSqliteInvalidations} reads: a table in which triggers note the key of each session
   * that is written or deleted. An outbox that is there stays, whatever this says.
   *
   * @default false
   */
  readonly outbox?: boolean
}

/** What {@link createSqliteStore} makes. */
export type SqliteStore = IndexedSessionStore & Required<Pick<SessionStore, 'now' | 'sweep'>>

const DEFAULT_TABLE = 'coatcheck_sessions'

/**
 * Creates a store on an SQLite database whose tables {@link migrateSqliteStore} has made.
 *
 * Give it a connection of its own: a transaction that other code leaves open would hold its writes back. The store
 * sets `PRAGMA busy_timeout = 0` on it and waits for locks itself, because the clients block the event loop while
 * SQLite waits. It neither opens nor closes the connection.
 *
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * const database = new Database('sessions.db')
 * await migrateSqliteStore(database)
 * const sessions = createSessions(createSqliteStore(database, { synchronous: 'normal' }))
 * ```
 */
export function createSqliteStore(database: SqliteDatabase, options: SqliteStoreOptions = {}): SqliteStore {
  const { now = Date.now, tableName = DEFAULT_TABLE, busyTimeout = 400, synchronous } = options
  assertTableName(tableName)
  const queue = createLockQueue(database, { tableName, busyTimeout, synchronous })
  const sql = prepareStatements(database, tableName)
  const isLive = (row: unknown) => row !== undefined && !isExpired(row, now())

  return {
    name: 'sqlite',
    now: async () => now(),

    async create(key, record) {
      const row = await queue.write(() => sql.create.get(toText(key), ...recordParameters(record), now()))
      return row ? { outcome: 'written', version: versionOf(row) } : { outcome: 'conflict' }
    },

    async read(key) {
      const row = await queue.read(() => sql.read.get(toText(key)))
      return isLive(row) ? decodeSession(row) : undefined
    },

    async write(key, version, record) {
      const id = toText(key)
      const row = await queue.write(() => sql.write.get(...recordParameters(record), id, version, now()))
      if (row) return { outcome: 'written', version: versionOf(row) }
      // Asked afterwards, and still true: a key is created once and its version only grows. So a session that is
      // live now had another version when the update looked, and one that is gone now will not come back.
      const live = isLive(await queue.read(() => sql.expiry.get(id)))
      return { outcome: live ? 'conflict' : 'gone' }
    },

    async touch(key, lastSeenAt, expiresAt) {
      const { changes } = await queue.write(() => sql.touch.run(lastSeenAt, expiresAt, toText(key), now()))
      return Number(changes) > 0
    },

    async delete(key) {
      const row = await queue.write(() => sql.delete.get(toText(key), now()))
      return row && findCorruption(row) === undefined ? decodeSession(row) : undefined
    },

    async list(principal) {
      const rows = await queue.read(() => sql.list.all(toText(principal), now()))
      return rows.filter((row) => findCorruption(row) === undefined).map(decodeSession)
    },

    async quarantine(key) {
      const id = toText(key)
      return queue.write(() => {
        const found = Number(sql.setAside.run(now(), id).changes) > 0
        if (found) sql.discard.run(id)
        return found
      })
    },

    sweep: createSweeper(sql, queue, now),
  }
}

/**
 * Makes or updates the tables of {@link createSqliteStore} and puts the file in WAL mode.
 *
 * Call it before the store is used: at start-up, or from a deployment step. It may run any number of times and in
 * several processes at once.
 *
 * @throws {StoreUnavailableError} when the file cannot be migrated, or comes from a newer version of this package.
 * @throws {RangeError} when an option is out of range.
 */
export async function migrateSqliteStore(
  database: SqliteDatabase,
  options: SqliteMigrationOptions = {},
): Promise<void> {
  const { tableName = DEFAULT_TABLE, busyTimeout = 10_000, outbox = false } = options
  assertTableName(tableName)
  const queue = createLockQueue(database, { tableName, busyTimeout })
  await applyMigrations(database, queue, tableName)
  if (outbox) await queue.administer(() => installOutbox(database, tableName))
}
