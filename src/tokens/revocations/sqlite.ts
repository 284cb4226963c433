/**
 * Revocations in an SQLite file that the processes of one machine share, read again and again.
 *
 * @module
 */

import { isLocked } from '../../stores/sqlite/errors.ts'
import { createLockQueue, type LockQueue } from '../../stores/sqlite/lock-queue.ts'
import { assertTableName } from '../../stores/sqlite/schema.ts'
import type { SqliteDatabase } from '../../stores/sqlite.ts'
import type { RevocationEntry, RevocationListener, RevocationLog } from '../revocation-log.ts'
import { decodeEntry, encodeEntry } from './entry-text.ts'

/** Options of {@link createSqliteRevocationLog}. */
export interface SqliteRevocationOptions {
  /** Table of the revocations: letters, digits and `_`. @default 'coatcheck_revocations' */
  readonly tableName?: string
  /** How often the table is read, in milliseconds. @default 100 */
  readonly interval?: number
  /** How long a call waits for a lock that another process holds, in milliseconds. @default 400 */
  readonly busyTimeout?: number
  /** Clock, in milliseconds since the Unix epoch. All processes on a file share that of their machine. @default Date.now */
  readonly now?: () => number
}

/** How long a nonce stays for its sender to find it, in milliseconds. */
const NONCE_LIFETIME = 60_000
/** Rows read, and expired rows removed, in one go. */
const BATCH = 500

/**
 * Creates a log in a table that {@link migrateSqliteRevocations} has made.
 *
 * The connection may be that of a store. It is neither opened nor closed here.
 *
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * await migrateSqliteRevocations(database)
 * const revocations = createRevocations(createSqliteRevocationLog(database))
 * ```
 */
export function createSqliteRevocationLog(
  database: SqliteDatabase,
  options: SqliteRevocationOptions = {},
): RevocationLog {
  const { tableName = DEFAULT_TABLE, interval = 100, busyTimeout = 400, now = Date.now } = options
  assertTableName(tableName)
  if (!(interval > 0 && interval < 2 ** 31)) {
    throw new RangeError(
      `Cannot create an SQLite revocation log as interval must be > 0: received ${interval}`,
    )
  }
  const queue = createLockQueue(database, { tableName, busyTimeout, user: USER })
  const table = openTable(database, tableName)

  return {
    name: 'sqlite',
    now: async () => now(),
    async append(entry) {
      await queue.write(() => {
        table.trim(now())
        table.insert(encodeEntry(entry), undefined, entry.expiresAt)
      })
    },
    // The number is read first: what is added in between is in the entries all the same.
    snapshot: () => queue.read(() => ({ sequence: table.last(), entries: table.live(now()) })),
    subscribe(listener) {
      const follower = follow(table, queue, interval, listener)
      return {
        async echo(nonce) {
          follower.await(nonce)
          await queue.write(() => table.insert(undefined, nonce, now() + NONCE_LIFETIME))
        },
        async close() {
          follower.stop()
        },
      }
    },
  }
}

/**
 * Makes the table of {@link createSqliteRevocationLog}. It may run any number of times and in several processes.
 *
 * @throws {StoreUnavailableError} when the file cannot be written.
 * @throws {RangeError} when an option is out of range.
 */
export async function migrateSqliteRevocations(
  database: SqliteDatabase,
  options: Pick<SqliteRevocationOptions, 'tableName' | 'busyTimeout'> = {},
): Promise<void> {
  const { tableName = DEFAULT_TABLE, busyTimeout = 10_000 } = options
  assertTableName(tableName)
  const queue = createLockQueue(database, { tableName, busyTimeout, user: USER })
  await queue.administer(() => database.prepare('PRAGMA journal_mode = WAL').get())
  // AUTOINCREMENT, so that a number is never given twice, not even after rows were removed.
  await queue.write(() =>
    database.exec(`
      CREATE TABLE IF NOT EXISTS "${tableName}" (
        seq INTEGER PRIMARY KEY AUTOINCREMENT,
        entry TEXT,
        nonce TEXT,
        expires_at REAL NOT NULL
      ) STRICT;
      CREATE INDEX IF NOT EXISTS "${tableName}_by_expires_at" ON "${tableName}" (expires_at);`),
  )
}

const DEFAULT_TABLE = 'coatcheck_revocations'
/** For messages. */
const USER = { name: 'SQLite revocation log', migrate: 'migrateSqliteRevocations(database)' }

interface Row {
  readonly seq: number | bigint
  readonly entry: string | null
  readonly nonce: string | null
}

type Table = ReturnType<typeof openTable>

/** The statements, prepared when they are needed first. Calls are synchronous. */
function openTable(database: SqliteDatabase, tableName: string) {
  const prepare = (text: string) => {
    let statement: ReturnType<SqliteDatabase['prepare']> | undefined
    return () => (statement ??= database.prepare(text))
  }
  const insert = prepare(`INSERT INTO "${tableName}" (entry, nonce, expires_at) VALUES (?, ?, ?)`)
  const last = prepare('SELECT seq FROM sqlite_sequence WHERE name = ?')
  const live = prepare(`SELECT entry FROM "${tableName}" WHERE entry IS NOT NULL AND expires_at > ?`)
  const after = prepare(
    `SELECT seq, entry, nonce FROM "${tableName}" WHERE seq > ? ORDER BY seq LIMIT ${BATCH}`,
  )
  const trim = prepare(
    `DELETE FROM "${tableName}" WHERE seq IN (SELECT seq FROM "${tableName}" WHERE expires_at <= ? LIMIT ${BATCH})`,
  )
  return {
    insert: (entry: string | undefined, nonce: string | undefined, expiresAt: number) =>
      void insert().run(entry ?? null, nonce ?? null, expiresAt),
    last: () => Number((last().get(tableName) as { readonly seq: number | bigint } | undefined)?.seq ?? 0),
    live: (now: number) =>
      (live().all(now) as readonly Row[]).map(({ entry }) => decodeEntry(entry)).filter(isEntry),
    after: (seq: number) => after().all(seq) as readonly Row[],
    trim: (now: number) => void trim().run(now),
  }
}

/** Reads the table until it is stopped. */
function follow(table: Table, queue: LockQueue, interval: number, listener: RevocationListener) {
  let position: number | undefined
  let isBroken = false
  let isStopped = false
  // A process that waits for its first nonce has nothing else to live for: SQLite has no socket.
  let awaited: string | undefined
  let hasEchoed = false
  let timer = setTimeout(() => void poll(), 0)

  async function poll(): Promise<void> {
    try {
      while ((await advance()) === BATCH);
      isBroken = false
    } catch (error) {
      // A lock delays what is read, and loses nothing.
      if (!isStopped && !isBroken && !isLocked((error as Error).cause)) {
        isBroken = true
        listener.broken()
      }
    }
    if (isStopped) return
    timer = setTimeout(() => void poll(), interval)
    if (hasEchoed) timer.unref()
  }

  async function advance(): Promise<number> {
    if (isStopped) return 0
    position ??= await queue.read(() => table.last())
    const from = position
    const rows = await queue.read(() => table.after(from))
    if (rows.length === 0) {
      const last = await queue.read(() => table.last())
      // The numbers began again. A new table has soon as many of them, and then nothing would tell.
      if (last < from) {
        position = last
        listener.broken()
      }
    }
    for (const { seq, entry, nonce } of rows) {
      if (isStopped) return 0
      position = Number(seq)
      listener.appended(position, decodeEntry(entry))
      if (nonce === null) continue
      hasEchoed ||= nonce === awaited
      listener.echoed(nonce, position)
    }
    return rows.length
  }

  return {
    await(nonce: string) {
      awaited = nonce
    },
    stop() {
      isStopped = true
      clearTimeout(timer)
    },
  }
}

function isEntry(entry: RevocationEntry | undefined): entry is RevocationEntry {
  return entry !== undefined
}
