import type BetterSqlite3 from 'better-sqlite3'
import Database from 'libsql'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import { createSqliteStore, migrateSqliteStore, type SqliteDatabase } from './sqlite.ts'
import { CorruptRecordError } from './store.ts'
import { recordAt } from '../../test/support/records.ts'
import { createFile, START } from '../../test/support/sqlite-files.ts'

/** Changes a row as a person with a shell could who insists. */
function damage(database: Database.Database, change: string, key: string): void {
  database.exec('PRAGMA ignore_check_constraints = ON')
  database.prepare(`UPDATE coatcheck_sessions SET ${change} WHERE key = ?`).run(key)
  database.exec('PRAGMA ignore_check_constraints = OFF')
}

async function createTrial(): Promise<StoreTrial & { readonly database: Database.Database }> {
  const { database, other, store, peer, now, elapse } = await createFile()
  return {
    database,
    store,
    peer,
    now,
    elapse,
    jumps: true,
    corrupt: async (key) => damage(other, 'version = -7', key),
    unplug: async () => {
      database.close()
    },
  }
}

describe('createSqliteStore()', () => {
  // A store that lists has no need to revoke.
  for (const clause of storeContract.filter(({ needs }) => !needs?.includes('revoke'))) {
    it(`keeps the contract: ${clause.title}`, async () => {
      const trial = await createTrial()

      expect(missingCapability(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })

    it(`keeps the contract with a client that gives BigInts: ${clause.title}`, async () => {
      const trial = await createTrial()
      trial.database.defaultSafeIntegers(true)

      await expect(clause.verify(trial)).resolves.toBeUndefined()
    })
  }

  it('fits libsql and better-sqlite3', () => {
    expectTypeOf<Database.Database>().toExtend<SqliteDatabase>()
    expectTypeOf<BetterSqlite3.Database>().toExtend<SqliteDatabase>()
    expectTypeOf<{ exec(sql: string): void }>().not.toExtend<SqliteDatabase>()
  })

  it.each([
    ['data', 'data = 7'],
    ['data', "data = x'00'"],
    ['version', 'version = 0'],
    ['version', 'version = 9007199254740993'],
    ['created_at', 'created_at = -1'],
    ['last_seen_at', 'last_seen_at = 9e999'],
    ['expires_at', 'expires_at = NULL'],
    ['expires_at', "expires_at = 'soon'"],
  ])('finds damage in %s: %s', async (column, change) => {
    const { database, store, now } = await createFile()
    database.exec(`DROP TABLE coatcheck_sessions;
      CREATE TABLE coatcheck_sessions (key PRIMARY KEY, version, data, principal, created_at, last_seen_at, expires_at)`)
    await store.create('key', recordAt(now()))

    damage(database, change, 'key')

    await expect(store.read('key')).rejects.toThrow(
      new CorruptRecordError(`Cannot decode a session in SQLite as column ${column} is damaged`),
    )
  })

  it.each([
    "data = x'00ff'",
    'data = NULL',
    'version = 0',
    "version = 'first'",
    'created_at = -1',
    'expires_at = NULL',
    "expires_at = 'soon'",
  ])('has tables that refuse %s', async (change) => {
    const { database, store, now } = await createFile()
    await store.create('key', recordAt(now()))

    const update = () => database.prepare(`UPDATE coatcheck_sessions SET ${change}`).run()

    expect(update).toThrow(/constraint|cannot store/i)
  })

  it('sets a damaged record aside with the time, where an operator finds it', async () => {
    const { database, store, now, elapse } = await createFile()
    await store.create('key', recordAt(now(), { data: 'evidence', principal: 'ada' }))
    damage(database, 'version = 0', 'key')
    await elapse(5_000)

    await store.quarantine('key')

    const rows = database.prepare(
      'SELECT key, version, data, principal, set_aside_at FROM coatcheck_sessions_corrupt',
    )
    expect(rows.all()).toMatchObject([
      { key: 'key', version: 0, data: 'evidence', principal: 'ada', set_aside_at: START + 5_000 },
    ])
  })

  it('deletes a damaged record for a caller that logs out', async () => {
    const { database, store, now } = await createFile()
    await store.create('key', recordAt(now()))
    damage(database, 'version = 0', 'key')

    const deleted = await store.delete('key')

    expect(deleted).toBeUndefined()
    expect(await store.read('key')).toBeUndefined()
  })

  it.each(['ada\0eve', '\0', '\ud800', '\udc00\ud800', '\uffff', '\uffff0000'])(
    'keeps text that a client would cut or blend: %j',
    async (text) => {
      const { store, now } = await createFile()
      const record = recordAt(now(), { principal: text, data: text })
      await store.create('other', recordAt(now(), { principal: text.slice(0, text.indexOf('\0')) }))

      await store.create(`key${text}`, record)

      expect(await store.read(`key${text}`)).toMatchObject({ key: `key${text}`, ...record })
      expect(await store.list(text)).toMatchObject([{ key: `key${text}`, ...record }])
      expect(await store.read('key')).toBeUndefined()
    },
  )

  it('keeps fractions of a millisecond of a finer clock', async () => {
    const { store, now } = await createFile()
    const record = recordAt(now(), { createdAt: START + 0.25, lastSeenAt: START + 0.5 })

    await store.create('key', record)

    expect(await store.read('key')).toMatchObject(record)
  })

  it('grows the version when an expired key is taken, so that a late writer does not hit the new session', async () => {
    const { store, now, elapse } = await createFile()
    await store.create('key', recordAt(now()))
    await elapse(60_000)

    const created = await store.create('key', recordAt(now()))

    expect(created).toEqual({ outcome: 'written', version: 2 })
    expect(await store.write('key', 1, recordAt(now()))).toEqual({ outcome: 'conflict' })
  })

  it('finds and sweeps by index', async () => {
    const { database } = await createFile()
    const plan = (sql: string) => JSON.stringify(database.prepare(`EXPLAIN QUERY PLAN ${sql}`).all())

    const list = plan("SELECT data FROM coatcheck_sessions WHERE principal = 'ada' AND expires_at > 7")
    const sweep = plan(
      'SELECT rowid FROM coatcheck_sessions WHERE expires_at <= 7 ORDER BY expires_at LIMIT 9',
    )

    expect(list).toContain('coatcheck_sessions_by_principal')
    expect(sweep).toContain('USING COVERING INDEX coatcheck_sessions_by_expires_at')
    expect(sweep).not.toContain('TEMP B-TREE')
  })

  it.each([
    ['normal', 1],
    ['full', 2],
  ] as const)('syncs the disk as it is told: %s', async (synchronous, level) => {
    const { database, now } = await createFile()
    database.exec(`PRAGMA synchronous = ${3 - level}`)
    const store = createSqliteStore(database, { now, synchronous })

    await store.read('key')

    expect(database.prepare('PRAGMA synchronous').get()).toMatchObject({ synchronous: level })
  })

  it('refuses to sync the disk otherwise', () => {
    const synchronous = 'off; DROP TABLE users' as 'full'

    const create = () => createSqliteStore(new Database(':memory:'), { synchronous })

    expect(create).toThrow(RangeError)
  })

  it('keeps several tables in one file apart', async () => {
    const { database, store, now } = await createFile()
    await migrateSqliteStore(database, { tableName: 'admin_sessions' })
    const admin = createSqliteStore(database, { now, tableName: 'admin_sessions' })

    await admin.create('key', recordAt(now(), { data: 'admin' }))

    expect(await store.read('key')).toBeUndefined()
    expect(await admin.read('key')).toMatchObject({ data: 'admin' })
  })

  it.each(['', 'a b', 'a"b', "a'", 'a;b', '1a', 'sqlite_a', 'é', 'a'.repeat(65)])(
    'refuses the table name %j',
    (tableName) => {
      const create = () => createSqliteStore(new Database(':memory:'), { tableName })

      expect(create).toThrow(
        new RangeError('Cannot create an SQLite store as tableName must be letters, digits and _'),
      )
    },
  )

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a busyTimeout of %d', (busyTimeout) => {
    const create = () => createSqliteStore(new Database(':memory:'), { busyTimeout })

    expect(create).toThrow(
      new RangeError(`Cannot create an SQLite store as busyTimeout must be >= 0: received ${busyTimeout}`),
    )
  })
})
