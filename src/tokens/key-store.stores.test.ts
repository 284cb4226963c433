import { randomBytes } from 'node:crypto'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import type { ServerName } from '../../lab/engines/installed.ts'
import { startPostgres } from '../../lab/engines/postgres.ts'
import { startRedis } from '../../lab/engines/redis.ts'
import { describeWith } from '../../test/support/engines.ts'
import { openNodeRedis } from '../../test/support/redis-connections.ts'
import { createPostgresStore, migratePostgresStore } from '../stores/postgres.ts'
import { createRedisStore } from '../stores/redis.ts'
import type { SessionStore } from '../stores/store.ts'
import { createKeyStore, type KeyStoreOptions } from './key-store.ts'
import { createTokens } from './tokens.ts'

interface Backend {
  readonly stores: readonly SessionStore[]
  /** Reads everything that lies in the back end. */
  dump(): Promise<string>
  stop(): Promise<unknown>
  restart(): Promise<unknown>
  close(): Promise<unknown>
}

const BACKENDS: readonly {
  readonly name: string
  readonly server: ServerName
  open(): Promise<Backend>
}[] = [
  {
    name: 'Redis',
    server: 'redis-server',
    async open() {
      const server = await startRedis()
      const connections = [await openNodeRedis(server.url), await openNodeRedis(server.url)]
      const [engine] = server.engines
      return {
        stores: connections.map(({ client }) => createRedisStore(client)),
        async dump() {
          const { client } = connections[0]!
          const texts: string[] = []
          for (const key of await client.keys('*')) {
            if ((await client.type(key)) === 'hash') texts.push(JSON.stringify(await client.hGetAll(key)))
            else if ((await client.type(key)) === 'string') texts.push((await client.get(key)) ?? '')
          }
          return texts.join('\n')
        },
        stop: () => engine!.pause(),
        restart: () => engine!.resume(),
        async close() {
          for (const { close } of connections) close()
          await server.close()
        },
      }
    },
  },
  {
    name: 'PostgreSQL',
    server: 'postgresql',
    async open() {
      const server = await startPostgres()
      const pools = [0, 1].map(() => new pg.Pool({ connectionString: server.url, max: 4 }))
      for (const pool of pools) pool.on('error', () => undefined)
      await migratePostgresStore(pools[0]!)
      const [engine] = server.engines
      return {
        stores: pools.map((pool) => createPostgresStore(pool)),
        dump: async () => JSON.stringify((await pools[0]!.query('SELECT * FROM coatcheck_sessions')).rows),
        stop: () => engine!.pause(),
        restart: () => engine!.resume(),
        async close() {
          await Promise.all(pools.map((pool) => pool.end()))
          await server.close()
        },
      }
    },
  },
]

const cleanups: (() => unknown)[] = []

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup()
})

for (const { name, server, open } of BACKENDS) {
  describeWith([server], `createKeyStore() on ${name}`, () => {
    const SECRET = randomBytes(32)
    let backend: Backend
    let sets = 0

    beforeAll(async () => {
      backend = await open()
    }, 60_000)

    afterAll(() => backend?.close(), 60_000)

    async function join(index: number, options: Partial<KeyStoreOptions> = {}) {
      const store = backend.stores[index % backend.stores.length]!
      const keyStore = await createKeyStore(store, {
        secrets: [SECRET],
        name: `set-${sets}`,
        interval: 100,
        ...options,
      })
      cleanups.push(() => keyStore.close())
      const tokens = createTokens({ issuer: 'https://shop.example', audience: 'api', keys: keyStore.keys })
      return { keyStore, tokens }
    }

    it('makes one key for all servers that start at once, and keeps it', async () => {
      sets++
      const servers = await Promise.all(Array.from({ length: 6 }, (_, index) => join(index)))
      const token = servers[0]!.tokens.issue({ sub: 'ada' })

      const late = await join(1)

      const kids = servers.flatMap(({ keyStore }) => keyStore.keys.keys().map(({ kid }) => kid))
      expect(new Set(kids).size).toBe(1)
      expect([...servers, late].every(({ tokens }) => tokens.verify(token).ok)).toBe(true)
    })

    it('has a leaked key refused by all servers soon, and takes each step once when all of them race', async () => {
      sets++
      const servers = [await join(0), await join(1), await join(2)]
      const [{ kid } = { kid: '' }] = servers[0]!.keyStore.keys.keys()
      const token = servers[0]!.tokens.issue({ sub: 'ada' })
      expect(servers.every(({ tokens }) => tokens.verify(token).ok)).toBe(true)

      await Promise.all(servers.map(({ keyStore }) => keyStore.retire(kid)))

      await expect
        .poll(() => servers.map(({ tokens }) => tokens.verify(token)))
        .toEqual(Array.from({ length: 3 }, () => ({ ok: false, reason: 'unknown-key' })))
      await expect
        .poll(() => new Set(servers.map(({ keyStore }) => JSON.stringify(keyStore.keys.keys()))).size)
        .toBe(1)
      const states = servers[0]!.keyStore.keys.keys().map(({ state }) => state)
      expect(states.toSorted()).toEqual(['retired', 'signing'])
    })

    it('lies there in no form that signs', async () => {
      sets++
      const { keyStore } = await join(0)
      const [{ jwk } = { jwk: undefined }] = keyStore.keys.export()
      const { d = '' } = jwk as { readonly d?: string }

      const text = await backend.dump()

      expect(d).toHaveLength(43)
      expect(text).not.toContain(d)
      expect(text.length).toBeGreaterThan(100)
    })

    it('goes on with its keys while the back end stands still, and looks again afterwards', async () => {
      sets++
      const errors: unknown[] = []
      const { tokens, keyStore } = await join(0, { timeout: 200, onError: (error) => errors.push(error) })
      const other = await join(1)

      await backend.stop()
      await expect.poll(() => errors.length).toBeGreaterThan(0)
      const token = tokens.issue({ sub: 'ada' })
      const meanwhile = tokens.verify(token).ok
      await backend.restart()
      const [{ kid } = { kid: '' }] = keyStore.keys.keys()
      await expect.poll(() => other.keyStore.retire(kid).then(() => 'retired', String)).toBe('retired')

      expect(meanwhile).toBe(true)
      expect(errors[0]).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      await expect.poll(() => tokens.verify(token).ok).toBe(false)
    })
  })
}
