import pg from 'pg'
import { expect, it } from 'vitest'
import { describeWith } from '../../../test/support/engines.ts'
import { startPostgres } from '../../../lab/engines/postgres.ts'
import { usePostgres } from '../../../test/support/postgres-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { checkPostgresStore, createPostgresStore, migratePostgresStore, type PgClient } from '../postgres.ts'
import { StoreUnavailableError } from '../store.ts'

const PREFIX = 'Cannot use the PostgreSQL session store: '

describeWith(['postgresql'], 'checkPostgresStore()', () => {
  const { createTrial, ask, url, newSchema, onCleanup } = usePostgres()

  function openPool(config: pg.PoolConfig = {}): pg.Pool {
    const pool = new pg.Pool({ connectionString: url(), connectionTimeoutMillis: 1_000, ...config })
    onCleanup(() => pool.end())
    return pool
  }

  it('has nothing to say when all is well', async () => {
    const { client, schema } = await createTrial()

    expect(await checkPostgresStore(client, { schema })).toEqual([])
  })

  it.each([
    [{ options: '-c synchronous_commit=off' }, 'synchronous_commit = off'],
    [{ options: '-c default_transaction_isolation=serializable' }, 'default_transaction_isolation'],
    [{ connectionTimeoutMillis: 0 }, 'no connectionTimeoutMillis'],
  ])('warns of %j', async (config, words) => {
    const { schema } = await createTrial()

    const warnings = await checkPostgresStore(openPool(config), { schema })

    expect(warnings).toEqual([expect.stringContaining(words)])
  })

  it('warns of a table that a crash empties', async () => {
    const { client, schema, table } = await createTrial()
    await ask(`ALTER TABLE ${table} SET UNLOGGED`)

    expect(await checkPostgresStore(client, { schema })).toEqual([expect.stringContaining('UNLOGGED')])
  })

  it('warns of a server that does not sync its disk', async () => {
    const careless = await startPostgres({ config: { fsync: 'off', full_page_writes: 'off' } })
    onCleanup(() => careless.close())
    const pool = openPool({ connectionString: careless.url })
    await migratePostgresStore(pool)

    const warnings = await checkPostgresStore(pool)

    expect(warnings).toEqual([
      expect.stringContaining('fsync = off'),
      expect.stringContaining('full_page_writes = off'),
    ])
  })

  it('refuses missing tables, and the store says the same', async () => {
    const schema = newSchema()
    const pool = openPool()
    const store = createPostgresStore(pool, { schema })
    const missing = `table "${schema}"."coatcheck_sessions" is missing or out of date; call migratePostgresStore(client) first`

    const check = checkPostgresStore(pool, { schema })

    await expect(check).rejects.toThrow(new StoreUnavailableError(PREFIX + missing))
    await expect(store.read('key')).rejects.toThrow(new StoreUnavailableError(PREFIX + missing))
  })

  it('refuses a user without rights', async () => {
    const { schema } = await createTrial()
    await ask(`CREATE ROLE reader_${schema} LOGIN; GRANT USAGE ON SCHEMA ${schema} TO reader_${schema};
      GRANT SELECT ON ALL TABLES IN SCHEMA ${schema} TO reader_${schema}`)
    const pool = openPool({ connectionString: url().replace('postgres@', `reader_${schema}@`) })

    const results = await Promise.allSettled([
      checkPostgresStore(pool, { schema }),
      createPostgresStore(pool, { schema }).touch('key', 1, 2),
    ])

    const refused = { reason: { message: expect.stringMatching(/the user lacks a permission; grant it/) } }
    expect(results).toMatchObject([refused, refused])
  })

  it('refuses read-only transactions', async () => {
    const { schema, now } = await createTrial()
    const pool = openPool({ options: '-c default_transaction_read_only=on' })

    await expect(checkPostgresStore(pool, { schema })).rejects.toThrow(/transactions are read-only/)
    await expect(createPostgresStore(pool, { schema }).create('key', recordAt(now()))).rejects.toThrow(
      /read-only replica; connect to the primary/,
    )
  })

  it.each([
    [
      'an unknown database',
      (good: string) => good.replace(/\/postgres$/, '/nowhere'),
      /database does not exist/,
    ],
    [
      'an unknown user',
      (good: string) => good.replace('postgres@', 'mallory@'),
      /refused the user or the password/,
    ],
    [
      'a port where nobody listens',
      (good: string) => good.replace(/:\d+\//, ':1/'),
      /no server listens there/,
    ],
    [
      'an unknown host',
      (good: string) => good.replace('127.0.0.1', 'nowhere.invalid'),
      /host name is not known/,
    ],
  ])('says what is wrong with %s', async (_, spoil, message) => {
    const pool = openPool({ connectionString: spoil(url()) })

    const check = checkPostgresStore(pool)

    await expect(check).rejects.toThrow(StoreUnavailableError)
    await expect(createPostgresStore(pool).read('key')).rejects.toMatchObject({
      message: expect.stringMatching(message),
      cause: expect.anything(),
    })
  })

  it('refuses a standby, from which sessions can be read and no more', async () => {
    const server = await startPostgres({ standby: true })
    onCleanup(() => server.close())
    const [primary, standby] = [server.url, server.standbyUrl ?? ''].map((connectionString) =>
      openPool({ connectionString }),
    ) as [pg.Pool, pg.Pool]
    await migratePostgresStore(primary)
    const now = Date.now()
    await createPostgresStore(primary).create('key', recordAt(now, { principal: 'ada' }))
    const store = createPostgresStore(standby)
    const reason = new StoreUnavailableError(
      `${PREFIX}the server is a read-only replica; connect to the primary`,
    )

    await expect.poll(() => store.read('key')).toMatchObject({ principal: 'ada' })
    await expect(checkPostgresStore(standby)).rejects.toThrow(reason)
    await expect(migratePostgresStore(standby, { notify: true })).rejects.toThrow(reason)
    for (const call of [
      () => store.create('other', recordAt(now)),
      () => store.write('key', 1, recordAt(now)),
      () => store.touch('key', now, now + 90_000),
      () => store.delete('key'),
      () => store.quarantine('key'),
      () => store.sweep(10),
    ]) {
      await expect(call()).rejects.toThrow(reason)
    }
  }, 60_000)

  it('says that a password is wrong', async () => {
    const locked = await startPostgres({ password: 'right' })
    onCleanup(() => locked.close())
    const pool = openPool({ connectionString: locked.url.replace('right', 'wrong') })

    await expect(checkPostgresStore(pool)).rejects.toThrow(/refused the user or the password/)
  })

  it('keeps what the server quotes of a session out of its error', async () => {
    const { store, now } = await createTrial()

    const create = store.create(
      'key',
      recordAt(now(), { data: 'secret', expiresAt: Number.POSITIVE_INFINITY }),
    )
    const error = (await create.catch((reason: unknown) => reason)) as Error

    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect(JSON.stringify([error.message, error.cause, { ...(error.cause as object) }])).not.toContain(
      'secret',
    )
    expect(error.cause).toMatchObject({ code: '23514' })
  })

  // Servers that are not at hand: only what they answer matters.
  it.each([
    [['110022', 'UTF8', 'false', 'off'], 'it needs PostgreSQL 12 or newer; upgrade the server'],
    [['150018', 'UTF8', 'true', 'on'], 'the server is a read-only replica; connect to the primary'],
    [
      ['150018', 'LATIN1', 'false', 'off'],
      "the database's encoding is not UTF8; create a database WITH ENCODING 'UTF8'",
    ],
  ])('refuses a server that answers %j', async (facts, reason) => {
    const client: PgClient = { query: async () => ({ rows: [facts] }) }

    await expect(checkPostgresStore(client)).rejects.toThrow(new StoreUnavailableError(PREFIX + reason))
  })
})
