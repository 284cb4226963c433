import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { createSqliteStore, migrateSqliteStore } from '../sqlite.ts'
import { StoreUnavailableError } from '../store.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createFile, createFolder, open } from '../../../test/support/sqlite-files.ts'

describe('migrateSqliteStore()', () => {
  it('may be called again, and leaves sessions alone', async () => {
    const { database, other, store, now } = await createFile()
    await store.create('key', recordAt(now()))

    await migrateSqliteStore(database)
    await migrateSqliteStore(other)

    expect(await store.read('key')).toMatchObject(recordAt(now()))
    expect(database.prepare('SELECT version FROM coatcheck_sessions_migrations').all()).toMatchObject([
      { version: 1 },
    ])
  })

  it('puts the file in WAL mode', async () => {
    const { other } = await createFile()

    expect(other.prepare('PRAGMA journal_mode').get()).toMatchObject({ journal_mode: 'wal' })
  })

  it('works in memory', async () => {
    const database = open(':memory:')

    await migrateSqliteStore(database)

    expect(await createSqliteStore(database).read('key')).toBeUndefined()
  })

  it('refuses tables of a newer version', async () => {
    const { database } = await createFile()
    database.exec("INSERT INTO coatcheck_sessions_migrations VALUES (9, datetime('now'))")

    await expect(migrateSqliteStore(database)).rejects.toThrow(
      new StoreUnavailableError(
        'Cannot migrate the SQLite session store: its tables have version 9 and this release of coatcheck knows ' +
          'up to 1; upgrade coatcheck',
      ),
    )
  })

  it('leaves the file as it was when it fails half way', async () => {
    const database = open(join(await createFolder(), 'sessions.db'))
    database.exec('CREATE TABLE coatcheck_sessions_lease (a)')

    await expect(migrateSqliteStore(database)).rejects.toThrow(StoreUnavailableError)

    expect(database.prepare('SELECT name FROM sqlite_master').all()).toMatchObject([
      { name: 'coatcheck_sessions_lease' },
    ])
    database.exec('DROP TABLE coatcheck_sessions_lease')
    await migrateSqliteStore(database)
    expect(await createSqliteStore(database).read('key')).toBeUndefined()
  })

  it('finds the work done when another has migrated since it looked', async () => {
    const file = join(await createFolder(), 'sessions.db')
    const [database, other] = [open(file), open(file)]

    await Promise.all([migrateSqliteStore(database), migrateSqliteStore(other), migrateSqliteStore(other)])

    expect(database.prepare('SELECT version FROM coatcheck_sessions_migrations').all()).toMatchObject([
      { version: 1 },
    ])
  })

  it('waits for a lock, and gives up in the end', async () => {
    const file = join(await createFolder(), 'sessions.db')
    const [database, other] = [open(file), open(file)]
    other.exec('CREATE TABLE a (b); BEGIN EXCLUSIVE')

    const impatient = migrateSqliteStore(database, { busyTimeout: 20 })
    await expect(impatient).rejects.toThrow(/locked for longer than busyTimeout/)

    const patient = migrateSqliteStore(database)
    setTimeout(() => other.exec('COMMIT'), 50)
    await expect(patient).resolves.toBeUndefined()
  })
})
