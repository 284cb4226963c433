/**
 * SQLite files for tests of stores, each in a folder of its own; both are gone when the test has ended.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { onTestFinished } from 'vitest'
import { createSqliteStore, migrateSqliteStore, type SqliteStoreOptions } from '../../src/stores/sqlite.ts'

/** Where the clock of a file stands at first. */
export const START = Date.UTC(2026, 0, 1)

/** Makes a folder. */
export async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-sqlite-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** Opens a file, and makes it where there is none. */
export function open(file: string): Database.Database {
  const database = new Database(file)
  database.exec('PRAGMA synchronous = NORMAL')
  onTestFinished(() => void (database.open && database.close()))
  return database
}

/** A migrated file, open twice, whose clock stands at {@link START} until the test moves it. */
export async function createFile(options: SqliteStoreOptions = {}) {
  const file = join(await createFolder(), 'sessions.db')
  const database = open(file)
  await migrateSqliteStore(database)
  let time = START
  const clock = { now: () => time, ...options }
  const other = open(file)
  return {
    file,
    database,
    other,
    store: createSqliteStore(database, clock),
    peer: createSqliteStore(other, clock),
    now: () => time,
    elapse: async (milliseconds: number) => {
      time += milliseconds
    },
  }
}
