import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'libsql'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { createSqliteInvalidations, createSqliteStore, migrateSqliteStore } from '../sqlite.ts'
import { StoreUnavailableError } from '../store.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createFolder, open } from '../../../test/support/sqlite-files.ts'

async function createFile(tableName?: string) {
  const file = join(await createFolder(), 'sessions.db')
  const [database, other] = [open(file), open(file)]
  const table = tableName === undefined ? {} : { tableName }
  await migrateSqliteStore(database, { outbox: true, ...table })
  return { file, database, other, store: createSqliteStore(other, table) }
}

/** Listens, and writes down what is told. */
function listen(database: Database.Database, options: { interval?: number; tableName?: string } = {}) {
  const told: string[] = []
  const subscription = createSqliteInvalidations(database, { interval: 5, ...options }).subscribe({
    changed: (key) => told.push(`changed ${key}`),
    changedAll: () => told.push('changed all'),
    echoed: (nonce) => told.push(`echoed ${nonce}`),
    broken: () => told.push('broken'),
  })
  onTestFinished(() => subscription.close())
  let count = 0
  return {
    told,
    subscription,
    /** Takes what was told before a nonce came back. */
    async flush(): Promise<string[]> {
      const nonce = `nonce.${(count += 1)}`
      // The first may be written before the feed has its position.
      while (!told.includes(`echoed ${nonce}`)) {
        await subscription.echo(nonce)
        await until(() => told.includes(`echoed ${nonce}`), 300)
      }
      const heard = told.filter((message) => message !== `echoed ${nonce}`)
      told.length = 0
      return heard
    },
  }
}

async function until(condition: () => boolean, patience = 5_000): Promise<boolean> {
  for (const end = performance.now() + patience; performance.now() < end; await pause(2)) {
    if (condition()) return true
  }
  return false
}

function countRows(database: Database.Database): number {
  const row = database.prepare('SELECT count(*) AS count FROM coatcheck_sessions_outbox').get()
  return (row as { readonly count: number }).count
}

describe('createSqliteInvalidations()', () => {
  it('tells of what is created, written and deleted by another connection, in order, and then of the nonce', async () => {
    const { database, store } = await createFile()
    const { told, flush } = listen(database)
    await flush()
    const now = Date.now()

    await store.create('a', recordAt(now))
    await store.create('b', recordAt(now))
    await store.write('a', 1, recordAt(now, { data: 'next' }))
    await store.delete('b')
    const heard = await flush()

    expect(heard).toEqual(['changed a', 'changed b', 'changed a', 'changed b'])
    expect(told).toEqual([])
  })

  it('does not tell of touches, reads, refused writes or absent sessions', async () => {
    const { database, store } = await createFile()
    const now = Date.now()
    await store.create('a', recordAt(now))
    const { flush } = listen(database)
    await flush()

    await store.touch('a', now + 5, now + 90_000)
    await store.read('a')
    await store.write('a', 9, recordAt(now))
    await store.create('a', recordAt(now))
    await store.delete('b')
    await store.quarantine('b')

    expect(await flush()).toEqual([])
  })

  it('tells of what others do with SQL: deletion, a shorter expiry, a new key, a replaced row', async () => {
    const { database, other, store } = await createFile()
    const now = Date.now()
    for (const key of ['a', 'b', 'c', 'd']) await store.create(key, recordAt(now))
    const { flush } = listen(database)
    await flush()

    other.exec(`DELETE FROM coatcheck_sessions WHERE key = 'a'`)
    other.exec(`UPDATE coatcheck_sessions SET expires_at = 0 WHERE key = 'b'`)
    other.exec(`UPDATE coatcheck_sessions SET key = 'e' WHERE key = 'c'`)
    other.exec(`REPLACE INTO coatcheck_sessions SELECT * FROM coatcheck_sessions WHERE key = 'd'`)
    other.exec('DELETE FROM coatcheck_sessions')
    const heard = await flush()

    expect(heard.slice(0, 5)).toEqual(['changed a', 'changed b', 'changed c', 'changed e', 'changed d'])
    expect(heard.slice(5).sort()).toEqual(['changed b', 'changed d', 'changed e'])
  })

  it.each(['a\0b', '\ud800', '옷', "a'b", '__proto__'])('tells a key of any text: %j', async (key) => {
    const { database, store } = await createFile()
    const { flush } = listen(database)
    await flush()

    await store.create(key, recordAt(Date.now()))

    expect(await flush()).toEqual([`changed ${key}`])
  })

  it('gives every subscriber every nonce and every change', async () => {
    const { database, other, store } = await createFile()
    const one = listen(database)
    const two = listen(other)
    await one.flush()
    await two.flush()

    await store.create('a', recordAt(Date.now()))
    await two.flush()

    expect(await until(() => one.told.includes('echoed nonce.2'))).toBe(true)
    // It may still be told, or was told already, of what the other began with.
    const told = one.told.filter((message) => message !== 'echoed nonce.1')
    expect(told).toEqual(['changed a', 'echoed nonce.2'])
  })

  it('reads far more changes than fit in one go', async () => {
    const { database, other, store } = await createFile()
    const { flush } = listen(database)
    await flush()
    other.exec('BEGIN')
    other.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 4321)
      INSERT INTO coatcheck_sessions SELECT 'key' || i, 1, '', NULL, 0, 0, 0 FROM n`)
    other.exec('COMMIT')
    await store.sweep(0)

    const heard = await flush()

    expect(heard).toHaveLength(4321)
    expect(heard.at(-1)).toBe('changed key4321')
  })

  it('tells that anything may have changed when unread rows are gone', async () => {
    const { database, other, store } = await createFile()
    const { told, flush } = listen(database)
    await flush()

    other.exec('BEGIN')
    other.exec(`INSERT INTO coatcheck_sessions VALUES ('a', 1, '', NULL, 0, 0, 0)`)
    other.exec('DELETE FROM coatcheck_sessions_outbox')
    other.exec('COMMIT')
    expect(await until(() => told.includes('changed all'))).toBe(true)
    await store.delete('a')
    await store.create('b', recordAt(Date.now()))

    expect(await flush()).toEqual(['changed all', 'changed b'])
  })

  it('tells that anything may have changed when the outbox begins anew, however far it has come', async () => {
    const { database, other } = await createFile()
    const { told, flush } = listen(database, { interval: 30 })
    await flush()

    other.exec('BEGIN')
    other.exec('DELETE FROM coatcheck_sessions_outbox')
    other.exec('DELETE FROM sqlite_sequence')
    other.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100)
      INSERT INTO coatcheck_sessions SELECT 'key' || i, 1, '', NULL, 0, 0, 0 FROM n`)
    other.exec('COMMIT')

    expect(await until(() => told.length > 0)).toBe(true)
    expect(told).toEqual(['changed all'])
  })

  it('says that the channel broke while triggers or tables are missing, and goes on once they are made again', async () => {
    const { database, other, store } = await createFile()
    const { told, subscription, flush } = listen(database)
    await flush()

    other.exec('DROP TABLE coatcheck_sessions')
    expect(await until(() => told.includes('broken'))).toBe(true)
    await expect(subscription.echo('nonce')).rejects.toThrow(
      new StoreUnavailableError(
        'Cannot follow changes in SQLite as table "coatcheck_sessions" has no complete outbox; ' +
          'call migrateSqliteStore(database, { outbox: true }) first',
      ),
    )
    other.exec('DROP TABLE coatcheck_sessions_migrations; DROP TABLE coatcheck_sessions_corrupt')
    other.exec('DROP TABLE coatcheck_sessions_lease')
    await migrateSqliteStore(other, { outbox: true })
    expect(await until(() => told.includes('changed all'))).toBe(true)
    await store.create('a', recordAt(Date.now()))

    expect((await flush()).at(-1)).toBe('changed a')
    expect(told.filter((message) => message === 'broken').length).toBeLessThanOrEqual(1)
  })

  it('proves nothing when a trigger is dropped just before a nonce', async () => {
    const { database, other, store } = await createFile()
    const { told, flush, subscription } = listen(database, { interval: 30 })
    await flush()

    // In one turn of the event loop, so that the feed cannot look in between.
    const echo = subscription.echo('late')
    other.exec('DROP TRIGGER coatcheck_sessions_outbox_insert')
    const create = store.create('a', recordAt(Date.now()))
    await Promise.allSettled([echo, create])
    await until(() => told.includes('broken'))

    expect(told).toEqual(['broken'])
  })

  it('says that the channel broke at once when its connection is closed', async () => {
    const { database } = await createFile()
    const { told, flush, subscription } = listen(database)
    await flush()

    database.close()

    expect(await until(() => told.length > 0, 1_000)).toBe(true)
    await pause(50)
    expect(told).toEqual(['broken'])
    await expect(subscription.echo('nonce')).rejects.toThrow(StoreUnavailableError)
  })

  it('loses nothing while another process holds the file', async () => {
    const { file, database, store } = await createFile()
    const holder = open(file)
    const { told, flush } = listen(database)
    await flush()
    await store.create('a', recordAt(Date.now()))

    holder.exec('BEGIN IMMEDIATE')
    expect(await until(() => told.length > 0)).toBe(true)
    holder.exec('COMMIT')

    expect(await flush()).toEqual(['changed a'])
  })

  it('begins with an outbox that is not there yet', async () => {
    const { database, other, store } = await createFile()
    other.exec('DROP TABLE coatcheck_sessions_outbox; DROP TRIGGER coatcheck_sessions_outbox_insert')
    for (const event of ['delete', 'update', 'shorten']) {
      other.exec(`DROP TRIGGER coatcheck_sessions_outbox_${event}`)
    }
    const { told, flush } = listen(database)
    expect(await until(() => told.includes('broken'))).toBe(true)

    await migrateSqliteStore(other, { outbox: true })
    await flush()
    await store.create('a', recordAt(Date.now()))

    expect(await flush()).toEqual(['changed a'])
  })

  it('keeps several tables in one file apart', async () => {
    const { database, other, store } = await createFile()
    await migrateSqliteStore(database, { outbox: true, tableName: 'admin' })
    const { flush } = listen(database, { tableName: 'admin' })
    await flush()

    await store.create('a', recordAt(Date.now()))
    await createSqliteStore(other, { tableName: 'admin' }).create('b', recordAt(Date.now()))

    expect(await flush()).toEqual(['changed b'])
  })

  it('removes rows a minute after they were written, and those before them', async () => {
    const { database, store } = await createFile()
    const { subscription, flush } = listen(database)
    await flush()
    for (let index = 0; index < 50; index++) await store.create(`key${index}`, recordAt(Date.now()))
    await flush()
    const before = countRows(database)
    const { now } = performance
    const later = vi.spyOn(performance, 'now').mockImplementation(() => now.call(performance) + 60_001)
    onTestFinished(() => later.mockRestore())

    await subscription.echo('late')
    const after = countRows(database)
    await subscription.echo('later')

    expect(before).toBeGreaterThan(50)
    expect(after).toBeLessThan(5)
    expect(await flush()).toEqual(['echoed late', 'echoed later'])
  })

  it('tells nothing once it is closed, and leaves the connection open', async () => {
    const { database, store } = await createFile()
    const { told, subscription, flush } = listen(database)
    await flush()

    await subscription.close()
    await store.create('a', recordAt(Date.now()))
    await pause(30)

    expect(told).toEqual([])
    await expect(subscription.echo('nonce')).rejects.toThrow(StoreUnavailableError)
    expect(countRows(database)).toBeGreaterThan(0)
  })

  it.each([0, -1, Number.NaN, 2 ** 31])('refuses an interval of %d', (interval) => {
    const create = () => createSqliteInvalidations(new Database(':memory:'), { interval })

    expect(create).toThrow(
      new RangeError(`Cannot create an SQLite feed as interval must be > 0: received ${interval}`),
    )
  })
})

describe('migrateSqliteStore() with an outbox', () => {
  it('may be called again, with or without, and changes nothing', async () => {
    const { database, other, store } = await createFile()
    await store.create('a', recordAt(Date.now()))
    const schema = () =>
      (database.prepare('PRAGMA schema_version').get() as { readonly schema_version: number }).schema_version
    const before = schema()

    await migrateSqliteStore(other, { outbox: true })
    await migrateSqliteStore(other)

    expect(schema()).toBe(before)
    expect(countRows(database)).toBe(1)
  })

  it('makes none unless it is asked to', async () => {
    const database = open(':memory:')

    await migrateSqliteStore(database)

    expect(database.prepare(`SELECT name FROM sqlite_master WHERE name LIKE '%outbox%'`).all()).toEqual([])
  })
})
