import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createSqliteStore, migrateSqliteStore } from '../sqlite.ts'
import { StoreUnavailableError } from '../store.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createFile, createFolder, open } from '../../../test/support/sqlite-files.ts'

describe('createSqliteStore() in trouble', () => {
  it('says to migrate when there is no table, and works once there is', async () => {
    const database = open(join(await createFolder(), 'sessions.db'))
    const store = createSqliteStore(database)

    const early = store.read('key')

    await expect(early).rejects.toThrow(
      new StoreUnavailableError(
        'Cannot use the SQLite session store: table "coatcheck_sessions" is missing or out of date; ' +
          'call migrateSqliteStore(database) first',
      ),
    )
    await migrateSqliteStore(database)
    expect(await store.read('key')).toBeUndefined()
  })

  it('says that a file is no database', async () => {
    const file = join(await createFolder(), 'sessions.db')
    await writeFile(file, 'This is a text. '.repeat(500))
    const store = createSqliteStore(openRaw(file))

    await expect(store.read('key')).rejects.toThrow(/is not an SQLite database; check its path/)
  })

  it('says that a disk is full', async () => {
    const { database, store, now } = await createFile()
    const { page_count: pages } = database.prepare('PRAGMA page_count').get() as { page_count: number }
    database.exec(`PRAGMA max_page_count = ${pages + 4}`)

    const create = store.create('key', recordAt(now(), { data: 'x'.repeat(100_000) }))

    await expect(create).rejects.toThrow(/the disk is full; free some space/)
    expect(await store.read('key')).toBeUndefined()
  })

  it('says that a file cannot be written, and goes on reading', async () => {
    const { database, store, now } = await createFile()
    await store.create('key', recordAt(now()))
    database.exec('PRAGMA query_only = ON')

    const write = store.write('key', 1, recordAt(now()))

    await expect(write).rejects.toThrow(/the file cannot be written; check the permissions/)
    expect(await store.read('key')).toMatchObject({ version: 1 })
  })

  it.each(['create', 'write', 'touch', 'delete', 'quarantine'] as const)(
    'commits what it reports after a %s that found the file locked',
    async (refused) => {
      const { store, peer, other, now } = await createFile({ busyTimeout: 0 })
      await store.create('key', recordAt(now()))
      const calls = {
        create: () => store.create('new', recordAt(now())),
        write: () => store.write('key', 1, recordAt(now())),
        touch: () => store.touch('key', now(), now() + 90_000),
        delete: () => store.delete('key'),
        quarantine: () => store.quarantine('key'),
      }
      other.exec('BEGIN IMMEDIATE')
      await expect(calls[refused]()).rejects.toThrow(StoreUnavailableError)
      other.exec('COMMIT')

      const created = await store.create('later', recordAt(now(), { data: '{"later":1}' }))
      const seen = await peer.read('later')
      const written = await peer.write('later', 1, recordAt(now()))

      expect(created).toEqual({ outcome: 'written', version: 1 })
      expect(seen?.data).toBe('{"later":1}')
      expect(written.outcome).toBe('written')
    },
  )

  it('waits for a lock without blocking the event loop, which here ends the lock', async () => {
    const { store, other, now } = await createFile({ busyTimeout: 10_000 })
    other.exec('BEGIN IMMEDIATE')

    const create = store.create('key', recordAt(now()))
    setTimeout(() => other.exec('COMMIT'), 50)

    expect(await create).toEqual({ outcome: 'written', version: 1 })
  })

  it('gives up when a lock outlasts busyTimeout, and forgets the write', async () => {
    const { store, other, now } = await createFile({ busyTimeout: 50 })
    other.exec('BEGIN IMMEDIATE')
    const start = performance.now()

    const create = store.create('key', recordAt(now()))

    await expect(create).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message:
        'Cannot use the SQLite session store: another process kept the file locked for longer than busyTimeout',
      cause: { code: 'SQLITE_BUSY' },
    })
    expect(performance.now() - start).toBeGreaterThanOrEqual(50)
    other.exec('COMMIT')
    expect(await store.read('key')).toBeUndefined()
  })

  it('reads while another process writes', async () => {
    const { store, other, now } = await createFile({ busyTimeout: 0 })
    await store.create('key', recordAt(now()))
    other.exec('BEGIN IMMEDIATE')

    const session = await store.read('key')

    expect(session).toMatchObject({ key: 'key' })
    other.exec('COMMIT')
  })

  it('reports what a sweep has removed even when a lock stops it half way', async () => {
    const { store, other, now, elapse } = await createFile({ busyTimeout: 20 })
    for (let index = 0; index < 250; index++) await store.create(`key${index}`, recordAt(now()))
    await elapse(60_000)

    const sweep = store.sweep(1_000)
    await waitUntil(() => countRows(other) < 250)
    other.exec('BEGIN IMMEDIATE')
    const swept = await sweep
    other.exec('COMMIT')

    expect(swept.length).toBeGreaterThan(0)
    expect(swept.length + countRows(other)).toBe(250)
  })

  it('sweeps again after a process has died while it swept, once its lease is over', async () => {
    const { store, other, now, elapse } = await createFile()
    await store.create('key', recordAt(now()))
    await elapse(60_000)
    other
      .prepare('INSERT INTO coatcheck_sessions_lease VALUES (?, ?, ?)')
      .run('sweep', 'dead', now() + 30_000)

    const early = await store.sweep(10)
    await elapse(30_000)
    const late = await store.sweep(10)

    expect(early).toEqual([])
    expect(late).toEqual([{ key: 'key', principal: undefined }])
  })
})

/** Opens a file that may not even be a database. */
function openRaw(file: string): Database.Database {
  const database = new Database(file)
  onTestFinished(() => void database.close())
  return database
}

function countRows(database: Database.Database): number {
  const row = database.prepare('SELECT count(*) AS count FROM coatcheck_sessions').get()
  return (row as { readonly count: number }).count
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}
