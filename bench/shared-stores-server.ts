/**
 * One server of bench/shared-stores.ts: the variant named by its argument, in a process of its own.
 *
 * @module
 */

import type { RequestListener } from 'node:http'
import { RedisStore } from 'connect-redis'
import connectPgSimple from 'connect-pg-simple'
import { createSessions, type IndexedSessionStore } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { createNearCache } from 'coatcheck/stores/near-cache'
import {
  createPostgresInvalidations,
  createPostgresStore,
  migratePostgresStore,
} from 'coatcheck/stores/postgres'
import { createRedisInvalidations, createRedisStore } from 'coatcheck/stores/redis'
import expressSession from 'express-session'
import { Redis } from 'ioredis'
import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { createClient } from 'redis'
import { createApp, keysOf, serveVariant, SHOP, type Shop } from './contender-server.ts'

const redisUrl = process.env['REDIS_URL'] ?? ''
const postgresUrl = process.env['POSTGRES_URL'] ?? ''

await serveVariant({
  'Express alone': () => {
    // The routes of the others, which cost a request too.
    const app = createApp()
    for (const path of ['/untouched', '/login', '/write', '/']) {
      app.get(path, (_request, response) => void response.send('4'))
    }
    return app
  },
  'coatcheck, node-redis': async () => serveOurs(createRedisStore(await openRedis())),
  'coatcheck, ioredis': () => serveOurs(createRedisStore(new Redis(redisUrl))),
  'coatcheck, node-redis + near cache': async () => {
    const client = await openRedis()
    return serveOurs(createNearCache(createRedisStore(client), createRedisInvalidations(client)))
  },
  'express-session + connect-redis': async () =>
    serveTheirs(new RedisStore({ client: await openRedis(), prefix: 'theirs:' })),
  'coatcheck, pg': async () => {
    const pool = openPool()
    await migratePostgresStore(pool)
    return serveOurs(createPostgresStore(pool))
  },
  'coatcheck, postgres.js': async () => {
    const sql = postgres(postgresUrl, { max: 10, fetch_types: false, onnotice: () => undefined })
    await migratePostgresStore(sql)
    return serveOurs(createPostgresStore(sql))
  },
  'coatcheck, pg + near cache': async () => {
    const pool = openPool()
    const tables = { tableName: 'cached_sessions' }
    await migratePostgresStore(pool, { ...tables, notify: true })
    const feed = createPostgresInvalidations(() => new Client({ connectionString: postgresUrl }), tables)
    return serveOurs(createNearCache(createPostgresStore(pool, tables), feed))
  },
  'express-session + connect-pg-simple': () => {
    const PgStore = connectPgSimple(expressSession)
    return serveTheirs(new PgStore({ pool: openPool(), createTableIfMissing: true }))
  },
})

/** As its own documentation advises, and without the timer for each command that would slow all contenders alike. */
async function openRedis() {
  const client = createClient({ url: redisUrl, RESP: 3, commandOptions: { timeout: 0 } })
  client.on('error', (error: Error) => console.error(error.message))
  await client.connect()
  return client
}

function openPool(): Pool {
  return new Pool({ connectionString: postgresUrl, max: 10 })
}

function serveOurs(store: IndexedSessionStore): RequestListener {
  const app = createApp()
  const sessions = createSessions<Shop>(store, { allowInsecureCookie: true, storeTimeout: '5s' })
  app.use(expressSessions(sessions))
  app.get('/untouched', (_request, response) => void response.send('4'))
  app.get('/login', async (request, response) => {
    const session = await sessions.load(request)
    for (const key of keysOf(SHOP)) session.set(key, SHOP[key])
    await session.login('ada')
    response.send('4')
  })
  app.get('/write', async (request, response) => {
    const session = await sessions.load(request)
    await session.update('visits', (visits = 0) => visits + 1)
    response.send('4')
  })
  app.get('/', async (request, response) => {
    const session = await sessions.load(request)
    response.send(String(session.get('cart')?.length))
  })
  return app
}

function serveTheirs(store: expressSession.Store): RequestListener {
  const app = createApp()
  app.use(expressSession({ store, secret: 'of the bench alone', resave: false, saveUninitialized: false }))
  app.get('/untouched', (_request, response) => void response.send('4'))
  app.get('/login', (request, response) => {
    Object.assign(request.session, SHOP, { user: 'ada' })
    response.send('4')
  })
  app.get('/write', (request, response) => {
    const session = request.session as expressSession.Session & Partial<Shop>
    session.visits = (session.visits ?? 0) + 1
    response.send('4')
  })
  app.get('/', (request, response) => {
    response.send(String((request.session as expressSession.Session & Partial<Shop>).cart?.length))
  })
  return app
}
