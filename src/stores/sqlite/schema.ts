/**
 * The tables of the SQLite store, as migrations that are applied once each and in order.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import type { SqliteDatabase } from '../sqlite.ts'
import { type LockQueue, rollBack } from './lock-queue.ts'

/**
 * Checks a table name, which becomes part of every statement.
 *
 * @throws {RangeError} when it holds more than letters, digits and `_`.
 */
export function assertTableName(tableName: string): void {
  if (/^(?!sqlite_)[a-z_][a-z0-9_]{0,63}$/i.test(tableName)) return
  throw new RangeError('Cannot create an SQLite store as tableName must be letters, digits and _')
}

/** Brings the tables up to date. Of several processes one does the work, the others find it done. */
export async function applyMigrations(
  database: SqliteDatabase,
  queue: LockQueue,
  table: string,
): Promise<void> {
  await queue.administer(() => enterWal(database))
  const upToDate = await queue.read(() => readVersion(database, table) === migrations.length)
  if (!upToDate) await queue.administer(() => migrate(database, table))
}

/**
 * Each entry takes the tables one version further; entries are added, never changed.
 *
 * Servers of the version before go on working while a new one is rolled out, so a migration may add a column with a
 * default or a table, but not rename or drop what is in use.
 */
const migrations: readonly ((table: string) => string)[] = [
  // A rowid table: rows are up to a megabyte, and WITHOUT ROWID would keep them in the inner pages of the key's tree.
  // Instants are REAL because a clock may tell fractions of a millisecond.
  (table) => `
    CREATE TABLE "${table}" (
      key TEXT NOT NULL PRIMARY KEY,
      version INTEGER NOT NULL CHECK (version > 0),
      data TEXT NOT NULL,
      principal TEXT,
      created_at REAL NOT NULL CHECK (created_at >= 0),
      last_seen_at REAL NOT NULL CHECK (last_seen_at >= 0),
      expires_at REAL NOT NULL CHECK (expires_at >= 0)
    ) STRICT;
    CREATE INDEX "${table}_by_principal" ON "${table}" (principal) WHERE principal IS NOT NULL;
    CREATE INDEX "${table}_by_expires_at" ON "${table}" (expires_at);
    CREATE TABLE "${table}_corrupt" (
      key PRIMARY KEY, version, data, principal, created_at, last_seen_at, expires_at, set_aside_at
    );
    CREATE TABLE "${table}_lease" (
      name TEXT NOT NULL PRIMARY KEY,
      holder TEXT NOT NULL,
      until REAL NOT NULL
    ) STRICT;`,
]

/** WAL lets readers and a writer work at the same time. The file remembers it. */
function enterWal(database: SqliteDatabase): void {
  const row = database.prepare('PRAGMA journal_mode = WAL').get() as { readonly journal_mode: unknown }
  if (row.journal_mode === 'wal' || row.journal_mode === 'memory') return
  throw new StoreUnavailableError(
    `Cannot migrate the SQLite session store: its file system allows no WAL mode, only ${String(row.journal_mode)}`,
  )
}

/** Version of the tables; 0 when there are none. */
function readVersion(database: SqliteDatabase, table: string): number {
  const known = database.prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = ?")
  if (!known.get(`${table}_migrations`)) return 0
  const row = database.prepare(`SELECT max(version) AS version FROM "${table}_migrations"`).get()
  const version = Number((row as { readonly version: unknown }).version)
  if (version <= migrations.length) return version
  throw new StoreUnavailableError(
    `Cannot migrate the SQLite session store: its tables have version ${version} and this release of coatcheck ` +
      `knows up to ${migrations.length}; upgrade coatcheck`,
  )
}

/** One transaction: another process sees all of it or nothing, and a failure leaves the file as it was. */
function migrate(database: SqliteDatabase, table: string): void {
  database.exec('BEGIN IMMEDIATE')
  try {
    database.exec(
      `CREATE TABLE IF NOT EXISTS "${table}_migrations" (version INTEGER PRIMARY KEY, applied_at TEXT NOT NULL) STRICT`,
    )
    const applied = readVersion(database, table)
    const record = database.prepare(
      `INSERT INTO "${table}_migrations" (version, applied_at) VALUES (?, datetime('now'))`,
    )
    for (const [index, migration] of migrations.entries()) {
      if (index < applied) continue
      database.exec(migration(table))
      record.run(index + 1)
    }
    database.exec('COMMIT')
  } catch (error) {
    rollBack(database)
    throw error
  }
}
