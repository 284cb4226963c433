/**
 * Opens the users of the shop from a file.
 *
 * @module
 */

import Database from 'libsql'
import { migrateUserDatabase } from './database.ts'
import { createUserDatabase, type UserDatabaseOptions, type Users } from './users.ts'

/** Users whose file this process has opened. */
export interface OpenUsers extends Users {
  /** Closes the file. */
  close(): void
}

/** Opens the users in a file, which is made when there is none. Several processes may open it at once. */
export async function openUserDatabase(path: string, options: UserDatabaseOptions = {}): Promise<OpenUsers> {
  const database = new Database(path)
  try {
    await migrateUserDatabase(database)
  } catch (error) {
    database.close()
    throw error
  }
  return { ...createUserDatabase(database, options), close: () => void database.close() }
}
