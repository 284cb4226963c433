/**
 * Real SQLite files for the tests of the shop.
 *
 * @module
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { onTestFinished } from 'vitest'
import { migrateUserDatabase } from '../users/database.ts'

/** Opens two connections to one new, migrated file. They are closed and the file removed when the test ends. */
export async function openUserDatabases(): Promise<[Database.Database, Database.Database]> {
  const folder = mkdtempSync(join(tmpdir(), 'shop-users-'))
  const path = join(folder, 'users.db')
  const databases: [Database.Database, Database.Database] = [new Database(path), new Database(path)]
  onTestFinished(() => {
    for (const database of databases) database.close()
    rmSync(folder, { recursive: true, force: true })
  })
  await Promise.all(databases.map((database) => migrateUserDatabase(database)))
  return databases
}
