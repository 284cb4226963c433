/**
 * What an outsider can do to the SQLite file of the fleet: lock it, empty it, damage a session in it, look into it.
 *
 * @module
 */

import Database from 'libsql'
import type { Fleet } from '../../protocol.ts'
import type { Meddler } from './meddler.ts'

/** Gets the path of the fleet's database file. */
export function getDatabaseFile(fleet: Fleet): string {
  const { databaseFile } = fleet.state()
  if (databaseFile === undefined)
    throw new Error(`Cannot find the database file of strategy ${fleet.strategy}`)
  return databaseFile
}

/** Meddles with the file that all servers share. It has no server of its own. */
export function createSqliteMeddler(fleet: Fleet): Meddler {
  const file = getDatabaseFile(fleet)

  return {
    async wipe() {
      use(file, (database) => database.exec('DELETE FROM coatcheck_sessions'))
    },
    async damage(handle, data) {
      return change(file, 'UPDATE coatcheck_sessions SET data = ? WHERE key = ?', data, handle)
    },
    async isSetAside(handle) {
      return has(file, 'SELECT 1 FROM coatcheck_sessions_corrupt WHERE key = ?', handle)
    },
    async find(handles) {
      const there = handles.filter((handle) =>
        has(file, 'SELECT 1 FROM coatcheck_sessions WHERE key = ?', handle),
      )
      return new Map(there.map((handle) => [handle, file]))
    },
    primaries: async () => [],
    keepers: () => [],
    countCommands: async () => undefined,
  }
}

/**
 * Locks the file against every other writer, as a careless backup or a forgotten shell does. In WAL mode readers go on.
 *
 * @returns Function that ends the lock.
 */
export function lockDatabase(file: string): () => void {
  const database = open(file)
  database.exec('BEGIN EXCLUSIVE')
  return () => {
    database.exec('ROLLBACK')
    database.close()
  }
}

/** Ends a session by hand, as if its time were over. */
export function expireSession(file: string, handle: string): boolean {
  return change(file, 'UPDATE coatcheck_sessions SET expires_at = 1 WHERE key = ?', handle)
}

function change(file: string, statement: string, ...values: readonly string[]): boolean {
  return use(file, (database) => database.prepare(statement).run(...values).changes === 1)
}

function has(file: string, statement: string, value: string): boolean {
  return use(file, (database) => database.prepare(statement).get(value) !== undefined)
}

function use<Result>(file: string, work: (database: Database.Database) => Result): Result {
  const database = open(file)
  try {
    return work(database)
  } finally {
    database.close()
  }
}

function open(file: string): Database.Database {
  return new Database(file, { timeout: 5_000 })
}
