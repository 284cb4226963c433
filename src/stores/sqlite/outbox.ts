/**
 * The table in which SQLite notes by itself which sessions have changed.
 *
 * Writers to one file take turns, so the numbers of its rows are the order of the commits, and have no gaps.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import type { SqliteDatabase } from '../sqlite.ts'
import { rollBack } from './lock-queue.ts'

/** Names of the triggers that fill the outbox. */
function triggersOf(table: string): readonly string[] {
  return ['insert', 'delete', 'update', 'shorten'].map((event) => `${table}_outbox_${event}`)
}

/** Makes the outbox and its triggers, as far as they are not there. */
export function installOutbox(database: SqliteDatabase, table: string): void {
  if (hasOutbox(database, table)) return
  const [onInsert, onDelete, onUpdate, onShorten] = triggersOf(table)
  const note = (row: string) => `INSERT INTO "${table}_outbox" (key) VALUES (${row}.key);`
  database.exec('BEGIN IMMEDIATE')
  try {
    // AUTOINCREMENT, so that a number is never given twice, not even after rows were trimmed.
    // A touch sets last_seen_at and expires_at alone and moves them forward only; none of these triggers sees it.
    database.exec(`
      CREATE TABLE IF NOT EXISTS "${table}_outbox" (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT,
        nonce TEXT
      ) STRICT;
      CREATE TRIGGER IF NOT EXISTS "${onInsert}" AFTER INSERT ON "${table}"
        BEGIN ${note('NEW')} END;
      CREATE TRIGGER IF NOT EXISTS "${onDelete}" AFTER DELETE ON "${table}"
        BEGIN ${note('OLD')} END;
      CREATE TRIGGER IF NOT EXISTS "${onUpdate}" AFTER UPDATE OF key, version, data, principal, created_at ON "${table}"
        BEGIN
          ${note('OLD')}
          INSERT INTO "${table}_outbox" (key) SELECT NEW.key WHERE NEW.key <> OLD.key;
        END;
      CREATE TRIGGER IF NOT EXISTS "${onShorten}" AFTER UPDATE OF last_seen_at, expires_at ON "${table}"
        WHEN NEW.expires_at < OLD.expires_at
        BEGIN ${note('OLD')} END;`)
    database.exec('COMMIT')
  } catch (error) {
    rollBack(database)
    throw error
  }
}

/** Whether the outbox and all of its triggers are there. */
export function hasOutbox(database: SqliteDatabase, table: string): boolean {
  const names = [`${table}_outbox`, ...triggersOf(table)]
  const { count } = database
    .prepare(`SELECT count(*) AS count FROM sqlite_master WHERE name IN (${names.map(() => '?').join(', ')})`)
    .get(...names) as { readonly count: number | bigint }
  return Number(count) === names.length
}

/** A row of the outbox: a key that was changed, or a nonce of some process. */
export interface OutboxRow {
  readonly seq: number | bigint
  readonly key: string | null
  readonly nonce: string | null
}

/** The outbox as one process reads and writes it. Calls are synchronous. */
export interface Outbox {
  /**
   * Writes a nonce, in a transaction of the caller's.
   *
   * @returns Number of its row.
   */
  writeNonce(nonce: string): number
  /** Reads rows in order, from the given number on. */
  readFrom(seq: number, limit: number): readonly OutboxRow[]
  /** Removes the oldest rows before the given number, at most `limit`. */
  trim(before: number, limit: number): void
  /** A number that changes when tables or triggers are made or dropped. */
  schemaVersion(): number
  /** @throws {StoreUnavailableError} when the outbox or one of its triggers is not there. */
  assertInstalled(): void
}

/** Opens the outbox of a table. Statements are prepared when they are needed. */
export function openOutbox(database: SqliteDatabase, table: string): Outbox {
  const outbox = `"${table}_outbox"`
  const prepare = (text: string) => {
    let statement: ReturnType<SqliteDatabase['prepare']> | undefined
    return () => (statement ??= database.prepare(text))
  }
  const insert = prepare(`INSERT INTO ${outbox} (nonce) VALUES (?) RETURNING seq`)
  const read = prepare(`SELECT seq, key, nonce FROM ${outbox} WHERE seq >= ? ORDER BY seq LIMIT ?`)
  const trim = prepare(
    `DELETE FROM ${outbox} WHERE seq IN (SELECT seq FROM ${outbox} WHERE seq < ? ORDER BY seq LIMIT ?)`,
  )
  const schema = prepare('PRAGMA schema_version')

  return {
    writeNonce: (nonce) => Number((insert().get(nonce) as OutboxRow).seq),
    readFrom: (seq, limit) => read().all(seq, limit) as OutboxRow[],
    trim: (before, limit) => void trim().run(before, limit),
    schemaVersion: () => Number((schema().get() as { readonly schema_version: unknown }).schema_version),
    assertInstalled() {
      if (hasOutbox(database, table)) return
      throw new StoreUnavailableError(
        `Cannot follow changes in SQLite as table "${table}" has no complete outbox; ` +
          'call migrateSqliteStore(database, { outbox: true }) first',
      )
    },
  }
}
