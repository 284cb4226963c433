/**
 * What an outsider can do to the SQLite file of the fleet: lock it, damage a session in it, look into it.
 *
 * @module
 */

import Database from 'libsql'
import type { Fleet } from '../protocol.ts'

/** Gets the path of the fleet's database file. */
export function getDatabaseFile(fleet: Fleet): string {
  const { databaseFile } = fleet.state()
  if (databaseFile === undefined)
    throw new Error(`Cannot find the database file of strategy ${fleet.strategy}`)
  return databaseFile
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

/** Overwrites the data of a session with something else. Returns whether there was such a session. */
export function corruptSession(file: string, handle: string, data: string): boolean {
  const database = open(file)
  const { changes } = database
    .prepare('UPDATE coatcheck_sessions SET data = ? WHERE key = ?')
    .run(data, handle)
  database.close()
  return changes === 1
}

/** Tells whether a damaged session was set aside, where an operator finds it. */
export function isSetAside(file: string, handle: string): boolean {
  const database = open(file)
  const row: unknown = database.prepare('SELECT 1 FROM coatcheck_sessions_corrupt WHERE key = ?').get(handle)
  database.close()
  return row !== undefined
}

/** Ends a session by hand, as if its time were over. */
export function expireSession(file: string, handle: string): boolean {
  const database = open(file)
  const { changes } = database
    .prepare('UPDATE coatcheck_sessions SET expires_at = 1 WHERE key = ?')
    .run(handle)
  database.close()
  return changes === 1
}

function open(file: string): Database.Database {
  return new Database(file, { timeout: 5_000 })
}
