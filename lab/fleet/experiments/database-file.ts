/**
 * What an outsider can do to the SQLite file of the fleet: lock it, and damage a session in it.
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
 * Locks the file against every writer, as a backup or a careless shell does. In WAL mode readers go on.
 *
 * @returns Function that ends the lock.
 */
export function lockDatabase(file: string): () => void {
  const database = new Database(file, { timeout: 5_000 })
  database.exec('BEGIN EXCLUSIVE')
  return () => {
    database.exec('ROLLBACK')
    database.close()
  }
}

/** Overwrites the data of one session with something that is no session data. Resolves to whether there was one. */
export function corruptSession(file: string, handle: string): boolean {
  const database = new Database(file, { timeout: 5_000 })
  try {
    return (
      database.prepare('UPDATE sessions SET data = ? WHERE key = ?').run('{"cart":[', handle).changes === 1
    )
  } finally {
    database.close()
  }
}
