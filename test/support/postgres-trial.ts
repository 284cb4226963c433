/**
 * A schema of its own for each test, on one PostgreSQL for each test file, with a clock that the test moves.
 *
 * @module
 */

import pg from 'pg'
import postgres from 'postgres'
import { afterAll, afterEach, beforeAll } from 'vitest'
import { type Postgres, startPostgres } from '../../lab/engines/postgres.ts'
import type { Engine } from '../../lab/engines/engine.ts'
import type { StoreTrial } from '../../src/conformance/store-contract.ts'
import {
  createPostgresStore,
  migratePostgresStore,
  type PostgresClient,
  type PostgresStore,
} from '../../src/stores/postgres.ts'

export const START = Date.UTC(2026, 0, 1)

/** Kinds of clients that the store runs on. */
export const clientKinds = ['pg Pool', 'pg Client', 'postgres'] as const
export type ClientKind = (typeof clientKinds)[number]

/** Starts one server for the tests of a file, which end what they open. */
export function usePostgres() {
  let server: Postgres
  let admin: pg.Pool
  let schemas = 0
  const cleanups: (() => unknown)[] = []

  beforeAll(async () => {
    server = await startPostgres()
    admin = new pg.Pool({ connectionString: server.url, max: 4 })
    admin.on('error', () => undefined)
  }, 60_000)

  afterEach(async () => {
    for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
  })

  afterAll(async () => {
    await admin?.end()
    await server?.close()
  })

  /** Opens a client whose functions come from the schema first. */
  async function connect(kind: ClientKind, schema: string, url = server.url): Promise<PostgresClient> {
    const path = `${schema},pg_catalog`
    if (kind === 'postgres') {
      const sql = postgres(url, {
        max: 4,
        connect_timeout: 1,
        fetch_types: false,
        connection: { search_path: path },
      })
      cleanups.push(() => sql.end({ timeout: 0 }))
      return sql
    }
    const config = {
      connectionString: url,
      options: `-c search_path=${path}`,
      connectionTimeoutMillis: 1_000,
    }
    if (kind === 'pg Pool') {
      const pool = new pg.Pool({ ...config, max: 4 })
      cleanups.push(() => pool.ended || pool.end())
      return pool
    }
    const client = new pg.Client(config)
    await client.connect()
    cleanups.push(() => client.end())
    return client
  }

  /** Makes a schema whose clock stands at {@link START} until the test moves it, with migrated tables. */
  async function createTrial(kind: ClientKind = 'pg Pool'): Promise<PostgresTrial> {
    const schema = `trial_${(schemas += 1)}`
    await admin.query(`
      CREATE SCHEMA ${schema};
      CREATE TABLE ${schema}.clock (at timestamptz NOT NULL);
      INSERT INTO ${schema}.clock VALUES (to_timestamp(${START} / 1000.0));
      CREATE FUNCTION ${schema}.clock_timestamp() RETURNS timestamptz VOLATILE LANGUAGE sql
        AS 'SELECT at FROM ${schema}.clock';`)
    const client = await connect(kind, schema)
    await migratePostgresStore(client, { schema })
    const other = await connect(kind, schema)
    let time = START
    return {
      schema,
      client,
      other,
      table: `${schema}.coatcheck_sessions`,
      store: createPostgresStore(client, { schema }),
      peer: createPostgresStore(other, { schema }),
      now: () => time,
      jumps: true,
      async elapse(milliseconds) {
        time += milliseconds
        await admin.query(`UPDATE ${schema}.clock SET at = to_timestamp($1 / 1000.0)`, [time])
      },
      async corrupt(key) {
        await admin.query(`
          ALTER TABLE ${schema}.coatcheck_sessions DROP CONSTRAINT IF EXISTS coatcheck_sessions_version_check`)
        await admin.query(`UPDATE ${schema}.coatcheck_sessions SET version = -7 WHERE key = $1`, [key])
      },
      unplug: () => endClient(client),
    }
  }

  return {
    createTrial,
    connect,
    url: () => server.url,
    engine: () => server.engines[0] as Engine,
    ask: async (text: string, values: unknown[] = []) =>
      (await admin.query<Record<string, unknown>>(text, values)).rows,
    onCleanup: (cleanup: () => unknown) => void cleanups.push(cleanup),
    newSchema: () => `trial_${(schemas += 1)}`,
  }
}

export interface PostgresTrial extends StoreTrial {
  readonly schema: string
  readonly table: string
  readonly client: PostgresClient
  readonly other: PostgresClient
  readonly store: PostgresStore
  readonly peer: PostgresStore
}

async function endClient(client: PostgresClient): Promise<void> {
  await (client as unknown as { end(options?: object): Promise<void> }).end()
}
