import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type BetterSqlite3 from 'better-sqlite3'
import Database from 'libsql'
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import {
  createSqliteStore,
  migrateSqliteStore,
  type SqliteDatabase,
  type SqliteStoreOptions,
} from './sqlite.ts'
import { CorruptRecordError, StoreUnavailableError } from './store.ts'
import { recordAt } from '../../test/support/records.ts'

const START = Date.UTC(2026, 0, 1)
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function createFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-sqlite-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true }))
  return folder
}

function open(file: string): Database.Database {
  const database = new Database(file)
  database.exec('PRAGMA synchronous = NORMAL')
  cleanups.push(() => database.open && database.close())
  return database
}

/** A migrated file, open twice. */
async function createFile(options: SqliteStoreOptions = {}) {
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

/** Opens a file that may not even be a database. */
function openRaw(file: string): Database.Database {
  const database = new Database(file)
  cleanups.push(() => database.close())
  return database
}

function countRows(database: Database.Database): number {
  const row = database.prepare('SELECT count(*) AS count FROM coatcheck_sessions').get()
  return (row as { readonly count: number }).count
}

async function waitUntil(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise(setImmediate)
}
