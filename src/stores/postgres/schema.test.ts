import pg from 'pg'
import { expect, it } from 'vitest'
import { describeWith } from '../../../test/support/engines.ts'
import { clientKinds, usePostgres } from '../../../test/support/postgres-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createPostgresStore, migratePostgresStore } from '../postgres.ts'

describeWith(['postgresql'], 'migratePostgresStore()', () => {
  const { createTrial, connect, ask, url, newSchema, onCleanup } = usePostgres()

  it.each(clientKinds)(
    'makes schema, tables and triggers, by eight processes at once, with a %s',
    async (kind) => {
      const schema = newSchema()
      const clients = await Promise.all(Array.from({ length: 8 }, () => connect(kind, schema)))

      await Promise.all(clients.map((client) => migratePostgresStore(client, { schema, notify: true })))

      expect(await ask(`SELECT version FROM ${schema}.coatcheck_sessions_migrations`)).toEqual([
        { version: 1 },
      ])
    },
  )

  it('makes them at once in several processes under a stricter isolation level', async () => {
    const schema = newSchema()
    const pools = Array.from({ length: 6 }, () => {
      const options = '-c default_transaction_isolation=serializable'
      const pool = new pg.Pool({ connectionString: url(), options, max: 1 })
      onCleanup(() => pool.end())
      return pool
    })

    await Promise.all(pools.map((pool) => migratePostgresStore(pool, { schema })))

    expect(await ask(`SELECT version FROM ${schema}.coatcheck_sessions_migrations`)).toEqual([{ version: 1 }])
  })

  it('leaves tables that are up to date and their sessions as they are, and needs no right to create', async () => {
    const { store, schema, now } = await createTrial()
    await store.create('key', recordAt(now()))
    const role = `role_${schema}`
    await ask(`CREATE ROLE ${role} LOGIN; GRANT USAGE ON SCHEMA ${schema} TO ${role};
      GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${schema} TO ${role}`)
    const limited = new pg.Pool({ connectionString: url().replace('postgres@', `${role}@`) })
    onCleanup(() => limited.end())

    await migratePostgresStore(limited, { schema })

    expect(await createPostgresStore(limited, { schema }).quarantine('key')).toBe(true)
  })

  it('refuses tables of a newer release, and leaves them alone', async () => {
    const { client, schema } = await createTrial()
    await ask(`INSERT INTO ${schema}.coatcheck_sessions_migrations (version) VALUES (99)`)

    const migrate = migratePostgresStore(client, { schema, notify: true })

    await expect(migrate).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringMatching(/tables have version 99 .* knows up to 1; upgrade coatcheck/),
    })
    expect(
      await ask(`SELECT FROM pg_trigger WHERE tgrelid = '${schema}.coatcheck_sessions'::regclass`),
    ).toEqual([])
  })

  it('makes all or nothing', async () => {
    const schema = newSchema()
    await ask(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.coatcheck_sessions_corrupt ()`)
    const client = await connect('pg Pool', schema)

    const migrate = migratePostgresStore(client, { schema })

    await expect(migrate).rejects.toThrow(/Cannot use the PostgreSQL session store/)
    expect(await ask(`SELECT tablename FROM pg_tables WHERE schemaname = '${schema}'`)).toEqual([
      { tablename: 'coatcheck_sessions_corrupt' },
    ])
  })

  it('makes the triggers of the feed when it is told to, and removes them when it is told to', async () => {
    const { client, schema, table } = await createTrial()
    const triggers = () => ask(`SELECT FROM pg_trigger WHERE tgrelid = '${table}'::regclass`)

    await migratePostgresStore(client, { schema, notify: true })
    await migratePostgresStore(client, { schema, notify: true })
    await migratePostgresStore(client, { schema })
    const made = await triggers()
    await migratePostgresStore(client, { schema, notify: false })

    expect(made).toHaveLength(4)
    expect(await triggers()).toEqual([])
  })
})
