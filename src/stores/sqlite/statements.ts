/**
 * Every statement of the SQLite store, prepared once and not before it is needed.
 *
 * @module
 */

import type { SqliteDatabase, SqliteStatement } from '../sqlite.ts'
import { COLUMNS } from './rows.ts'

/** The statements by name, with their parameters in order. */
export type SqliteStatements = Readonly<Record<keyof ReturnType<typeof statementTexts>, SqliteStatement>>

/** Prepares each statement at its first use. One that cannot be prepared is tried again at the next. */
export function prepareStatements(database: SqliteDatabase, tableName: string): SqliteStatements {
  const texts = statementTexts(tableName)
  const lazy = Object.entries(texts).map(([name, text]) => {
    let statement: SqliteStatement | undefined
    return [name, { enumerable: true, get: () => (statement ??= database.prepare(text)) }] as const
  })
  return Object.defineProperties({}, Object.fromEntries(lazy)) as SqliteStatements
}

function statementTexts(table: string) {
  const record = 'data, principal, created_at, last_seen_at, expires_at'
  return {
    /** key, record, now. A conflict unless the row there has expired; its version goes on growing. */
    create: `
      INSERT INTO "${table}" (key, version, ${record}) VALUES (?, 1, ?, ?, ?, ?, ?)
      ON CONFLICT (key) DO UPDATE SET
        version = version + 1, (${record}) =
          (excluded.data, excluded.principal, excluded.created_at, excluded.last_seen_at, excluded.expires_at)
      WHERE "${table}".expires_at <= ?
      RETURNING version`,

    /** key */
    read: `SELECT ${COLUMNS} FROM "${table}" WHERE key = ?`,

    /** key */
    expiry: `SELECT expires_at FROM "${table}" WHERE key = ?`,

    /** record, key, version, now */
    write: `
      UPDATE "${table}" SET version = version + 1, (${record}) = (?, ?, ?, ?, ?)
      WHERE key = ? AND version = ? AND expires_at > ?
      RETURNING version`,

    /** lastSeenAt, expiresAt, key, now */
    touch: `
      UPDATE "${table}" SET last_seen_at = max(last_seen_at, ?), expires_at = max(expires_at, ?)
      WHERE key = ? AND expires_at > ?`,

    /** key, now. An expired row is left to the sweep, which reports it. */
    delete: `DELETE FROM "${table}" WHERE key = ? AND expires_at > ? RETURNING ${COLUMNS}`,

    /** principal, now */
    list: `SELECT ${COLUMNS} FROM "${table}" WHERE principal = ? AND expires_at > ?`,

    /** now, key */
    setAside: `
      INSERT OR REPLACE INTO "${table}_corrupt" (set_aside_at, ${COLUMNS})
      SELECT ?, ${COLUMNS} FROM "${table}" WHERE key = ?`,

    /** key */
    discard: `DELETE FROM "${table}" WHERE key = ?`,

    /** now */
    anyExpired: `SELECT 1 FROM "${table}" WHERE expires_at <= ? LIMIT 1`,

    /** holder, until, holder, now */
    lease: `
      INSERT INTO "${table}_lease" (name, holder, until) VALUES ('sweep', ?, ?)
      ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, until = excluded.until
      WHERE holder = ? OR until <= ?`,

    /** holder */
    release: `DELETE FROM "${table}_lease" WHERE name = 'sweep' AND holder = ?`,

    /** now, limit */
    sweep: `
      DELETE FROM "${table}" WHERE rowid IN
        (SELECT rowid FROM "${table}" WHERE expires_at <= ? ORDER BY expires_at LIMIT ?)
      RETURNING key, principal, expires_at`,
  } as const
}
