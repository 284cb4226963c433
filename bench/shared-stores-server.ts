/**
 * One server of bench/shared-stores.ts: the variant named by its argument, in a process of its own.
 *
 * @module
 */

import { hash, randomBytes } from 'node:crypto'
import type { RequestListener } from 'node:http'
import { RedisStore } from 'connect-redis'
import connectPgSimple from 'connect-pg-simple'
import { createSessions, type IndexedSessionStore } from 'coatcheck'
import { expressSessions } from 'coatcheck/http/express'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { createNearCache } from 'coatcheck/stores/near-cache'
import {
  createPostgresInvalidations,
  createPostgresStore,
  migratePostgresStore,
} from 'coatcheck/stores/postgres'
import { createRedisInvalidations, createRedisStore } from 'coatcheck/stores/redis'
import type express from 'express'
import expressSession from 'express-session'
import { Redis } from 'ioredis'
import { Client, Pool } from 'pg'
import postgres from 'postgres'
import { createClient } from 'redis'
import { createApp, keysOf, PEER, serveVariant, SHOP, type Shop } from './contender-server.ts'

const redisUrl = process.env['REDIS_URL'] ?? ''
const postgresUrl = process.env['POSTGRES_URL'] ?? ''

/** Stores the second text under the key if the version there is still the first. */
const REPLACE = `
local stored = {}
for at, key in ipairs(KEYS) do
  local version = string.match(redis.call('GETRANGE', key, 0, 16), '^%d+')
  stored[at] = version == ARGV[2 * at - 1] and 1 or 0
  if stored[at] == 1 then redis.call('SET', key, (version + 1) .. ' ' .. ARGV[2 * at], 'PX', 3600000) end
end
return stored`

await serveVariant({
  'Express alone': () => serveNone(createApp()),
  'coatcheck, not loaded': () =>
    serveNone(
      createApp().use(expressSessions(createSessions<Shop>(createMemoryStore(), { development: false }))),
    ),
  'by hand, node-redis': async () => serveByHand(await openRedis()),
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

/** The routes of the others, which cost a request too. */
function serveNone(app: express.Express): RequestListener {
  for (const path of ['/untouched', '/login', '/write', '/']) {
    app.get(path, (_request, response) => void response.send('4'))
  }
  return app
}

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
  const sessions = createSessions<Shop>(store, { development: false, storeTimeout: '5s' })
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

/**
 * The least that a session on Redis can cost: one read, one conditional write, both together with those of the same turn. It has no
 * deadlines, no cookie options, no users, no touch, no rotation, no second try, and lets whoever sends a bad cookie wait for ever.
 */
async function serveByHand(client: Awaited<ReturnType<typeof openRedis>>): Promise<RequestListener> {
  const app = createApp()
  const sha = await client.scriptLoad(REPLACE)
  const read = share<string, string>((keys) => client.sendCommand(['MGET', ...keys]))
  const replace = share<readonly [key: string, version: string, data: string], number>((writes) => {
    const values = writes.flatMap(([, version, data]) => [version, data])
    return client.sendCommand(['EVALSHA', sha, `${writes.length}`, ...writes.map(([key]) => key), ...values])
  })
  const keyOf = (id: string) => `by-hand:${hash('sha256', id, 'base64url')}`

  async function load(cookie = '') {
    const start = cookie.indexOf('id=') + 3
    const key = keyOf(cookie.slice(start, start + 43))
    const record = await read(key)
    const space = record.indexOf(' ')
    return { key, version: record.slice(0, space), data: JSON.parse(record.slice(space + 1)) as Shop }
  }

  app.get('/untouched', (_request, response) => void response.send('4'))
  app.get('/login', async (_request, response) => {
    const id = randomBytes(32).toString('base64url')
    await client.set(keyOf(id), `1 ${JSON.stringify(SHOP)}`)
    response.setHeader('Set-Cookie', `id=${id}; HttpOnly`).send('4')
  })
  app.get('/write', async (request, response) => {
    const { key, version, data } = await load(request.headers.cookie)
    data.visits += 1
    if ((await replace([key, version, JSON.stringify(data)])) !== 1) throw new Error('A write was lost')
    response.send('4')
  })
  app.get('/', async (request, response) => {
    const { data } = await load(request.headers.cookie)
    response.send(String(data.cart.length))
  })
  return app
}

/** Asks once for all questions of one turn of the event loop; the answers come in their order. */
function share<Question, Answer>(
  ask: (questions: readonly Question[]) => Promise<unknown>,
): (question: Question) => Promise<Answer> {
  let waiting: { readonly question: Question; readonly resolve: (answer: Answer) => void }[] = []
  const flush = async () => {
    const batch = waiting
    waiting = []
    const answers = (await ask(batch.map(({ question }) => question))) as readonly Answer[]
    for (const [at, { resolve }] of batch.entries()) resolve(answers[at] as Answer)
  }
  return (question) =>
    new Promise((resolve) => {
      if (waiting.length === 0) setImmediate(() => void flush())
      waiting.push({ question, resolve })
    })
}

function serveTheirs(store: expressSession.Store): RequestListener {
  const app = createApp()
  app.use(expressSession({ store, ...PEER }))
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
