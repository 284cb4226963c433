/**
 * Sessions in PostgreSQL, with a near cache on each server or without.
 *
 * @module
 */

import { createNearCache } from 'coatcheck/stores/near-cache'
import {
  createPostgresInvalidations,
  createPostgresStore,
  migratePostgresStore,
} from 'coatcheck/stores/postgres'
import type { Pool } from 'pg'
import { startPostgres } from '../../engines/postgres.ts'
import { countNearCache } from '../copy-costs.ts'
import { describeMissing } from '../missing-servers.ts'
import { NEAR_CACHE_BOUND, type Strategy, type StrategyContext } from '../strategy.ts'

/** How long a connection may take, in milliseconds. */
const CONNECT_TIMEOUT = 2_000

/** Every read asks the database. */
export const postgres: Strategy = {
  name: 'postgres',
  title: { en: 'Shared database (PostgreSQL)', ko: '공유 데이터베이스 (PostgreSQL)' },
  summary: {
    en: 'All servers keep sessions in one PostgreSQL. What was acknowledged survives its death; each request costs a read.',
    ko: '모든 서버가 하나의 PostgreSQL에 세션을 저장합니다. 확정된 것은 죽어도 남지만, 요청마다 읽기가 한 번 듭니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true, engineDeath: 'restart' },
  backEnd: 'postgres',
  unavailable: async () => describeMissing('postgresql'),
  startEngines: (options) => startPostgres(options),
  prepare: (context) => migrate(context, false),
  open: async (context) => {
    const pool = await openPool(context)
    return { store: createPostgresStore(pool), close: () => pool.end() }
  },
}

/** Reads are answered from each server's own memory as long as that is proven fresh. */
export const postgresCached: Strategy = {
  ...postgres,
  name: 'postgres-cached',
  title: { en: 'PostgreSQL + copy in RAM', ko: 'PostgreSQL + 메모리 사본' },
  summary: {
    en: 'As with PostgreSQL, but each server answers from a copy; the database notifies of changes, at most 2 s late.',
    ko: 'PostgreSQL과 같지만 서버마다 사본에서 답하고, 변경은 데이터베이스가 알려 줍니다. 늦어도 2초 안에 반영됩니다.',
  },
  promises: { ...postgres.promises, bound: NEAR_CACHE_BOUND },
  hasFeed: true,
  prepare: (context) => migrate(context, true),
  open: async (context) => {
    const { Client } = await import('pg')
    const pool = await openPool(context)
    const connectionString = context.feedAddresses.url ?? ''
    const feed = createPostgresInvalidations(
      () => new Client({ connectionString, connectionTimeoutMillis: CONNECT_TIMEOUT }),
    )
    const store = createNearCache(createPostgresStore(pool), feed, { bound: NEAR_CACHE_BOUND })
    return {
      store,
      countCosts: () => countNearCache(store.stats(), NEAR_CACHE_BOUND),
      close: async () => {
        await store.close()
        await pool.end()
      },
    }
  },
}

async function openPool({ addresses }: StrategyContext): Promise<Pool> {
  const { Pool } = await import('pg')
  const pool = new Pool({
    connectionString: addresses.url ?? '',
    max: 4,
    connectionTimeoutMillis: CONNECT_TIMEOUT,
    keepAlive: true,
  })
  // An idle connection ended: the pool opens another when it needs one.
  pool.on('error', () => undefined)
  return pool
}

async function migrate(context: StrategyContext, notify: boolean): Promise<void> {
  const pool = await openPool(context)
  try {
    await migratePostgresStore(pool, { notify })
  } finally {
    await pool.end()
  }
}
