import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import postgres, { type Sql } from 'postgres'
import { expect, expectTypeOf, it } from 'vitest'
import { missingCapability, storeContract } from '../conformance/store-contract.ts'
import { describeWith } from '../../test/support/engines.ts'
import { clientKinds, START, usePostgres } from '../../test/support/postgres-trial.ts'
import { recordAt } from '../../test/support/records.ts'
import {
  createPostgresStore,
  migratePostgresStore,
  type PgListener,
  type PostgresClient,
  type PostgresJsListener,
} from './postgres.ts'
import { CorruptRecordError } from './store.ts'

describeWith(['postgresql'], 'createPostgresStore()', () => {
  const { createTrial, connect, ask, url, onCleanup } = usePostgres()

  for (const kind of clientKinds) {
    for (const clause of storeContract) {
      it(`keeps the contract with a ${kind}: ${clause.title}`, async ({ skip }) => {
        const trial = await createTrial(kind)
        const missing = missingCapability(clause, trial)
        // It lists the sessions of a user, so it has no need of ending them unseen.
        if (missing === 'revoke') skip(`needs ${missing}`)

        expect(missing).toBeUndefined()
        await clause.verify(trial)
      })
    }
  }

  it('fits the clients of pg and postgres', () => {
    expectTypeOf<pg.Pool>().toExtend<PostgresClient>()
    expectTypeOf<pg.Client>().toExtend<PgListener>()
    expectTypeOf<Sql>().toExtend<PostgresJsListener>()
    expectTypeOf<{ end(): void }>().not.toExtend<PostgresClient>()
  })

  it('lives by the clock of the database, to the microsecond', async () => {
    const { store, elapse } = await createTrial()
    await elapse(86_400_000.125)

    const now = await store.now()

    expect(now).toBe(START + 86_400_000.125)
  })

  it.each(clientKinds)('works without prepared statements, with a %s', async (kind) => {
    const { client, schema, now } = await createTrial(kind)
    const store = createPostgresStore(client, { schema, prepare: false })

    await store.create('key', recordAt(now(), { principal: 'ada' }))
    const written = await store.write('key', 1, recordAt(now(), { data: 'new', principal: 'ada' }))
    const sessions = await Promise.all([store.read('key'), store.read('other')])

    expect(written).toEqual({ outcome: 'written', version: 2 })
    expect(sessions).toMatchObject([{ data: 'new', principal: 'ada' }, undefined])
    expect(await countPrepared(client)).toBe(0)
  })

  it.each(clientKinds)('serves two tables over one client, a %s', async (kind) => {
    const { client, schema, store, now } = await createTrial(kind)
    await migratePostgresStore(client, { schema, tableName: 'admin_sessions' })
    const admin = createPostgresStore(client, { schema, tableName: 'admin_sessions' })

    await admin.create('key', recordAt(now(), { data: 'admin' }))

    expect(await store.read('key')).toBeUndefined()
    expect(await admin.read('key')).toMatchObject({ data: 'admin' })
  })

  it('does not mind how an application has taught pg to read numbers', async () => {
    const { store, now } = await createTrial('pg Pool')
    await store.create('key', recordAt(now()))
    onCleanup(() => pg.types.setTypeParser(20, String))
    pg.types.setTypeParser(20, BigInt)

    const session = await store.read('key')

    expect(session).toEqual({ key: 'key', version: 1, ...recordAt(now()) })
  })

  it('does not mind how an application has taught postgres to read numbers and to name columns', async () => {
    const { store, schema } = await createTrial('postgres')
    await store.create('key', recordAt(Date.now()))
    const sql = postgres(url(), { transform: postgres.pascal, types: { bigint: postgres.BigInt }, max: 1 })
    onCleanup(() => sql.end())

    const session = await createPostgresStore(sql, { schema }).read('key')

    expect(session).toMatchObject({ key: 'key', version: 1, principal: undefined })
  })

  it('answers each of many reads that share a round trip for itself', async () => {
    const { store, now, corrupt } = await createTrial()
    const keys = Array.from({ length: 150 }, (_, index) => `"k{}\\,'${index}`)
    for (const key of keys) await store.create(key, recordAt(now(), { data: key }))
    await corrupt?.(keys[7] ?? '')

    const results = await Promise.allSettled([...keys, 'none'].map((key) => store.read(key)))

    const data = results.map((result) => (result.status === 'fulfilled' ? result.value?.data : result.reason))
    expect(data[7]).toBeInstanceOf(CorruptRecordError)
    expect(data.toSpliced(7, 1)).toEqual([...keys.toSpliced(7, 1), undefined])
  })

  it.each(['ada\0eve', '\0', '\ud800', '\udc00\ud800', '\uffff', '\uffff0000', '{"a":"\\u0000\\ud800"}'])(
    'keeps text that PostgreSQL refuses: %j',
    async (text) => {
      const { store, now } = await createTrial()
      const record = recordAt(now(), { principal: text, data: text })

      await store.create(`key${text}`, record)

      expect(await store.read(`key${text}`)).toMatchObject({ key: `key${text}`, ...record })
      expect(await store.list(text)).toMatchObject([{ key: `key${text}`, ...record }])
      expect(await store.read('key')).toBeUndefined()
    },
  )

  it('keeps fractions of a millisecond', async () => {
    const { store, now } = await createTrial()
    const record = recordAt(now(), { createdAt: START + 0.25, lastSeenAt: START + 0.5 })

    await store.create('key', record)

    expect(await store.read('key')).toMatchObject(record)
  })

  it.each([
    ['version', 'version = 0'],
    ['version', 'version = 9007199254740993'],
    ['data', 'data = NULL'],
    ['created_at', "created_at = 'NaN'"],
    ['last_seen_at', 'last_seen_at = -1'],
    ['expires_at', "expires_at = 'Infinity'"],
  ])('finds damage in %s: %s', async (column, change) => {
    const { store, now, table, schema } = await createTrial()
    await store.create('key', recordAt(now()))
    await ask(`CREATE TABLE ${schema}.loose AS TABLE ${table}; DROP TABLE ${table};
      ALTER TABLE ${schema}.loose RENAME TO coatcheck_sessions`)

    await ask(`UPDATE ${table} SET ${change}`)

    await expect(store.read('key')).rejects.toThrow(
      new CorruptRecordError(`Cannot decode a session in PostgreSQL as column ${column} is damaged`),
    )
  })

  it.each([
    'version = 0',
    'data = NULL',
    "created_at = 'NaN'",
    'last_seen_at = -1',
    "expires_at = 'Infinity'",
    'sweep_at = expires_at + 1',
  ])('has tables that refuse %s', async (change) => {
    const { store, now, table } = await createTrial()
    await store.create('key', recordAt(now()))

    await expect(ask(`UPDATE ${table} SET ${change}`)).rejects.toThrow(/violates/)
  })

  it('sets a damaged record aside where an operator finds it, once for several callers', async () => {
    const { store, peer, now, corrupt, schema } = await createTrial()
    await store.create('key', recordAt(now(), { data: 'evidence', principal: 'ada' }))
    await corrupt?.('key')

    const told = await Promise.all([store, peer, store, peer].map((each) => each.quarantine('key')))

    expect(told.filter(Boolean)).toHaveLength(1)
    expect(
      await ask(`SELECT key, version, data, principal FROM ${schema}.coatcheck_sessions_corrupt`),
    ).toEqual([{ key: 'key', version: '-7', data: 'evidence', principal: 'ada' }])
  })

  it('grows the version when an expired key is taken, so that a late writer does not hit the new session', async () => {
    const { store, now, elapse } = await createTrial()
    await store.create('key', recordAt(now()))
    await elapse(60_000)

    const created = await store.create('key', recordAt(now()))

    expect(created).toEqual({ outcome: 'written', version: 2 })
    expect(await store.write('key', 1, recordAt(now()))).toEqual({ outcome: 'conflict' })
  })

  it('reads, lists and sweeps by index, and touches without moving an index', async () => {
    const { store, now, table } = await createTrial()
    await ask(`INSERT INTO ${table} SELECT 'key' || n, 1, repeat('x', 300), 'user' || n, 1, 1, ${now() + 1e6} + n,
      ${now() + 1e6} + n FROM generate_series(1, 5000) AS n`)
    await ask(`ANALYZE ${table}`)
    const plan = async (sql: string) => JSON.stringify(await ask(`EXPLAIN ${sql}`))

    const list = await plan(`SELECT data FROM ${table} WHERE principal = 'user7' AND expires_at > 7`)
    const sweep = await plan(
      `SELECT key FROM ${table} WHERE sweep_at <= (SELECT 7) ORDER BY sweep_at LIMIT 9`,
    )
    for (let use = 1; use <= 20; use++) await store.touch('key7', now() + use, now() + 2e6 + use)
    await store.write('key7', 1, recordAt(now(), { principal: 'user7', expiresAt: now() + 3e6 }))

    expect(list).toContain('coatcheck_sessions_by_principal')
    expect(sweep).toContain('coatcheck_sessions_by_sweep_at')
    expect(sweep).not.toContain('Sort')
    expect(await ask(`SELECT ctid IS NOT NULL AS kept, sweep_at FROM ${table} WHERE key = 'key7'`)).toEqual([
      { kept: true, sweep_at: now() + 1e6 + 7 },
    ])
  })

  it.each([
    [{ schema: 'a"b' }, 'schema'],
    [{ schema: 'pg_catalog' }, 'schema'],
    [{ tableName: '' }, 'tableName'],
    [{ tableName: 'a b' }, 'tableName'],
    [{ tableName: '1a' }, 'tableName'],
    [{ tableName: 'é' }, 'tableName'],
    [{ tableName: 'a'.repeat(41) }, 'tableName'],
  ])('refuses the names %j', (names, option) => {
    const create = () => createPostgresStore(new pg.Pool(), names)

    expect(create).toThrow(RangeError)
    expect(create).toThrow(`Cannot use a PostgreSQL store as ${option} must be letters, digits and _`)
  })

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])('refuses a queryTimeout of %d', (queryTimeout) => {
    const create = () => createPostgresStore(new pg.Pool(), { queryTimeout })

    expect(create).toThrow(
      new RangeError(
        `Cannot create a PostgreSQL store as queryTimeout must be >= 0: received ${queryTimeout}`,
      ),
    )
  })

  it('refuses what is no client', () => {
    const create = () => createPostgresStore({} as PostgresClient)

    expect(create).toThrow(
      new TypeError('Cannot create a PostgreSQL store as the client is neither of pg nor of postgres'),
    )
  })

  it('says gone, not conflict, when the write has waited for a deletion', async () => {
    const { store, now, table } = await createTrial()
    await store.create('key', recordAt(now()))
    const other = new pg.Client({ connectionString: url() })
    await other.connect()
    onCleanup(() => other.end())
    await other.query(`BEGIN; DELETE FROM ${table}`)

    const write = store.write('key', 1, recordAt(now()))
    await waitForLock(1)
    await other.query('COMMIT')

    expect(await write).toEqual({ outcome: 'gone' })
  })

  it('says conflict when the write has waited for another write', async () => {
    const { store, now, table } = await createTrial()
    await store.create('key', recordAt(now()))
    const other = new pg.Client({ connectionString: url() })
    await other.connect()
    onCleanup(() => other.end())
    await other.query(`BEGIN; UPDATE ${table} SET version = 2`)

    const write = store.write('key', 1, recordAt(now()))
    await waitForLock(1)
    await other.query('COMMIT')

    expect(await write).toEqual({ outcome: 'conflict' })
  })

  it.each(clientKinds)(
    'revives nothing for eight tight writers that race with deletions, with a %s',
    async (kind) => {
      const { store, peer, schema, now } = await createTrial(kind)
      const third = createPostgresStore(await connect(kind, schema), { schema })
      let revived = 0
      let wrong = 0

      for (let round = 0; round < 60; round++) {
        const key = `key${round}`
        await store.create(key, recordAt(now(), { data: '0' }))
        let deleted = false
        const writers = Array.from({ length: 8 }, async (_, index) => {
          const server = index % 2 === 0 ? store : peer
          for (let version = 1, wasDeleted = false; ;) {
            const result = await server.write(key, version, recordAt(now(), { data: String(index) }))
            if (result.outcome === 'gone') return
            if (wasDeleted) wrong++
            wasDeleted = deleted
            version = (await server.read(key))?.version ?? version
          }
        })
        await pause(round % 4)
        const removed = await third.delete(key)
        deleted = true
        await Promise.all(writers)

        if (!removed) wrong++
        if (await third.read(key)) revived++
      }

      expect({ revived, wrong }).toEqual({ revived: 0, wrong: 0 })
    },
  )

  it('sweeps oldest first what was used until it expired, and keeps what is still used', async () => {
    const { store, now, elapse } = await createTrial()
    const at = now()
    for (let index = 0; index < 600; index++) {
      await store.create(`key${index}`, recordAt(at, { expiresAt: at + 1_000 }))
      // Used once more, and ending in another order than they were created in.
      await store.touch(`key${index}`, at, at + 10_000 - index)
    }
    await elapse(9_700)

    const swept = await store.sweep(1_000)

    expect(swept.map(({ key }) => key)).toEqual(
      Array.from({ length: 300 }, (_, index) => `key${599 - index}`),
    )
    expect(await store.read('key299')).toMatchObject({ expiresAt: at + 9_701 })
    expect(await store.sweep(1_000)).toEqual([])
    await elapse(301)
    expect(await store.sweep(1_000)).toHaveLength(300)
  })

  it('lets one server sweep at a time, the others have nothing to do', async () => {
    const { store, schema, now, elapse, table } = await createTrial()
    await store.create('key', recordAt(now()))
    await elapse(60_000)
    const other = new pg.Client({ connectionString: url() })
    await other.connect()
    onCleanup(() => other.end())
    await other.query(`BEGIN; SELECT pg_advisory_xact_lock(
      hashtextextended('coatcheck sweep "${schema}"."coatcheck_sessions"', 0))`)

    const meanwhile = await store.sweep(10)
    await other.query('COMMIT')
    const afterwards = await store.sweep(10)

    expect(meanwhile).toEqual([])
    expect(afterwards).toEqual([{ key: 'key', principal: undefined }])
    expect(await ask(`SELECT FROM ${table}`)).toEqual([])
  })

  it('does not wait for a row that somebody has locked when it sweeps', async () => {
    const { store, now, elapse, table } = await createTrial()
    for (const key of ['free', 'locked']) await store.create(key, recordAt(now()))
    await elapse(60_000)
    const other = new pg.Client({ connectionString: url() })
    await other.connect()
    onCleanup(() => other.end())
    await other.query(`BEGIN; SELECT FROM ${table} WHERE key = 'locked' FOR UPDATE`)

    const swept = await store.sweep(10)
    await other.query('COMMIT')

    expect(swept).toEqual([{ key: 'free', principal: undefined }])
    expect(await store.sweep(10)).toEqual([{ key: 'locked', principal: undefined }])
  })

  /** Waits until so many statements wait for a lock. */
  async function waitForLock(count: number): Promise<void> {
    for (;;) {
      const [row] = await ask("SELECT count(*)::int FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
      if (Number(row?.['count']) >= count) return
      await pause(5)
    }
  }
})

/** Statements that the connection which a client uses first has prepared. */
async function countPrepared(client: PostgresClient): Promise<number> {
  const text = "SELECT count(*)::int AS count FROM pg_prepared_statements WHERE statement LIKE '%coatcheck%'"
  if ('unsafe' in client) return Number((await client.unsafe(text, [], { prepare: false }).values())[0]?.[0])
  const { rows } = await client.query({ text, values: [], rowMode: 'array', query_timeout: 0 })
  return Number(rows[0]?.[0])
}
