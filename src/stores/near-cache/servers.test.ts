/**
 * The near cache before real servers: `here` reaches its feed through a proxy that can be cut.
 *
 * @module
 */

import pg from 'pg'
import { afterAll, beforeAll, expect, it, type TestContext } from 'vitest'
import { createCutter } from '../../../lab/engines/cutter.ts'
import { type Postgres, startPostgres } from '../../../lab/engines/postgres.ts'
import { type Redis, startRedis } from '../../../lab/engines/redis.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { mintPrefix, openNodeRedis } from '../../../test/support/redis-connections.ts'
import {
  missingFault,
  nearCacheContract,
  type NearCacheTrial,
} from '../../conformance/near-cache-contract.ts'
import type { InvalidationFeed } from '../invalidations.ts'
import { createNearCache } from '../near-cache.ts'
import { createPostgresInvalidations, createPostgresStore, migratePostgresStore } from '../postgres.ts'
import { createRedisInvalidations, createRedisStore } from '../redis.ts'
import type { SessionStore } from '../store.ts'

const BOUND = 2_000

type Finish = TestContext['onTestFinished']

/** Two caches before one store, of which the first has the feed that can be cut. */
function createServers(store: SessionStore, feeds: readonly InvalidationFeed[], onTestFinished: Finish) {
  const [here, there] = feeds.map((feed) => {
    const near = createNearCache(store, feed, { bound: BOUND })
    onTestFinished(() => near.close())
    return near
  })
  if (!here || !there) throw new Error('Two feeds are needed')
  return { here, there, store, bound: BOUND, now: Date.now }
}

/** A proxy before a server, and the faults that it brings about. */
async function createFaults(url: string, onTestFinished: Finish) {
  const address = new URL(url)
  const cutter = await createCutter({ host: '127.0.0.1', port: Number(address.port) })
  onTestFinished(() => cutter.close())
  address.port = String(cutter.port)
  return {
    url: address.href,
    sever: async () => cutter.sever(),
    silence: async () => cutter.cut(),
    heal: async () => cutter.heal(),
  }
}

function runClauses(createTrial: (onTestFinished: Finish) => Promise<NearCacheTrial>): void {
  for (const clause of nearCacheContract) {
    it.concurrent(clause.title, { timeout: 60_000 }, async ({ onTestFinished, expect }) => {
      const trial = await createTrial(onTestFinished)

      expect(missingFault(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })
  }
}

describeWith(['redis-server'], 'createNearCache() over Redis', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  runClauses(async (onTestFinished) => {
    const prefix = mintPrefix()
    const { url, ...faults } = await createFaults(server.url, onTestFinished)
    const [direct, cut] = [await openNodeRedis(server.url), await openNodeRedis(url)]
    for (const { close } of [direct, cut]) onTestFinished(() => void close())
    const store = createRedisStore(direct.client, { prefix })
    const feeds = [cut, direct].map(({ client }) => createRedisInvalidations(client, { prefix }))
    return {
      ...createServers(store, feeds, onTestFinished),
      ...faults,
      async wipe() {
        const keys = (await direct.send('', 'KEYS', `${prefix}*`)) as string[]
        for (const key of keys) await direct.send(key, 'DEL', key)
      },
    }
  })

  it('serves nothing after FLUSHALL', async ({ onTestFinished }) => {
    const alone = await startRedis()
    onTestFinished(() => alone.close())
    const { client, send, close } = await openNodeRedis(alone.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client)
    const feeds = [createRedisInvalidations(client), createRedisInvalidations(client)]
    const trial = createServers(store, feeds, onTestFinished)
    const wipe = nearCacheContract.find(({ needs }) => needs?.includes('wipe'))

    const verify = wipe?.verify({ ...trial, wipe: async () => void (await send('', 'FLUSHALL')) })

    await expect(verify).resolves.toBeUndefined()
  })
})

describeWith(['postgresql'], 'createNearCache() over PostgreSQL', () => {
  let server: Postgres
  let tables = 0
  beforeAll(async () => {
    server = await startPostgres()
  })
  afterAll(() => server.close())

  runClauses(async (onTestFinished) => {
    const tableName = `near_${(tables += 1)}`
    const { url, ...faults } = await createFaults(server.url, onTestFinished)
    const pool = new pg.Pool({ connectionString: server.url, max: 4 })
    pool.on('error', () => undefined)
    onTestFinished(() => pool.end())
    await migratePostgresStore(pool, { tableName, notify: true })
    const store = createPostgresStore(pool, { tableName })
    const feeds = [url, server.url].map((connectionString) =>
      createPostgresInvalidations(() => new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 }), {
        tableName,
      }),
    )
    return {
      ...createServers(store, feeds, onTestFinished),
      ...faults,
      wipe: async () => void (await pool.query(`TRUNCATE ${tableName}`)),
    }
  })
})
