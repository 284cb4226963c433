/**
 * What the errors of the SQLite clients mean.
 *
 * `libsql` and `better-sqlite3` put SQLite's result code into `code` as text, `node:sqlite` into `errcode` as a
 * number, `libsql` also into `rawCode`.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'

/** SQLite's primary result codes, and what an operator does about them. */
const advice: ReadonlyMap<number, readonly [name: string, advice: string]> = new Map([
  [3, ['SQLITE_PERM', 'the file may not be accessed; check its permissions']],
  [8, ['SQLITE_READONLY', 'the file cannot be written; check the permissions of the file and of its folder']],
  [10, ['SQLITE_IOERR', 'reading or writing the disk failed; check the disk and its file system']],
  [11, ['SQLITE_CORRUPT', 'the file is damaged; restore a backup, or start with a new file']],
  [13, ['SQLITE_FULL', 'the disk is full; free some space']],
  [14, ['SQLITE_CANTOPEN', 'the file cannot be opened; check that its folder exists and may be written']],
  [26, ['SQLITE_NOTADB', 'the file is not an SQLite database; check its path']],
])

/** Tells whether another connection holds a lock, so that the same call may succeed in a moment. */
export function isLocked(error: unknown): boolean {
  return hasCode(error, 5, 'SQLITE_BUSY') || hasCode(error, 6, 'SQLITE_LOCKED')
}

/** What uses the file, and what makes its table, for messages. */
export interface SqliteUser {
  readonly name: string
  readonly migrate: string
}

const SESSION_STORE: SqliteUser = { name: 'SQLite session store', migrate: 'migrateSqliteStore(database)' }

/** Wraps a client's error. The message says what to do and holds neither keys nor data. */
export function toUnavailable(
  error: unknown,
  tableName: string,
  user: SqliteUser = SESSION_STORE,
): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error
  return new StoreUnavailableError(`Cannot use the ${user.name}: ${explain(error, tableName, user)}`, {
    cause: error,
  })
}

function explain(error: unknown, tableName: string, { migrate }: SqliteUser): string {
  if (isLocked(error)) return 'another process kept the file locked for longer than busyTimeout'
  for (const [code, [name, text]] of advice) if (hasCode(error, code, name)) return text
  const message = error instanceof Error ? error.message : ''
  if (/no such (table|column)|has no column/.test(message)) {
    return `table "${tableName}" is missing or out of date; call ${migrate} first`
  }
  if (/not open|closed|finalized/.test(message)) return 'its connection is closed; open it again'
  return 'the database refused; see the cause'
}

/** An extended code such as SQLITE_BUSY_SNAPSHOT (517) keeps the primary one in its lowest byte. */
function hasCode(error: unknown, primary: number, name: string): boolean {
  if (typeof error !== 'object' || error === null) return false
  const { code, rawCode, errcode } = error as Readonly<Record<string, unknown>>
  const number = errcode ?? rawCode
  if (typeof number === 'number') return (number & 0xff) === primary
  return typeof code === 'string' && (code === name || code.startsWith(`${name}_`))
}
