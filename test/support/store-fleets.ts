/**
 * Every store on its real servers, opened once for each application server: with clients of its own, and of different
 * kinds where there are two.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { connect } from '@nats-io/transport-node'
import type { IndexedSessionStore, RevokingSessionStore } from 'coatcheck'
import { createMemcachedClient, createMemcachedStore } from 'coatcheck/stores/memcached'
import { createNearCache } from 'coatcheck/stores/near-cache'
import {
  createPostgresInvalidations,
  createPostgresStore,
  migratePostgresStore,
} from 'coatcheck/stores/postgres'
import { createRedisInvalidations, createRedisStore } from 'coatcheck/stores/redis'
import { createSqliteInvalidations, createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'
import Database from 'libsql'
import pg from 'pg'
import postgres from 'postgres'
import type { Engine } from '../../lab/engines/engine.ts'
import type { ServerName } from '../../lab/engines/installed.ts'
import { startMemcached } from '../../lab/engines/memcached.ts'
import { startNats } from '../../lab/engines/nats.ts'
import { startPostgres } from '../../lab/engines/postgres.ts'
import { startRedisCluster } from '../../lab/engines/redis-cluster.ts'
import { startRedis } from '../../lab/engines/redis.ts'
import { openIoredis, openIoredisCluster, openNodeRedis, openNodeRedisCluster } from './redis-connections.ts'
import { startReplicatedServer } from './replicated-servers.ts'

/** A store that finds a user's sessions, or at least ends them. */
export type FleetStore = IndexedSessionStore | RevokingSessionStore

/** Stands between a store and whoever calls it. `next` makes the call. */
export type Tap = (method: string, next: () => Promise<unknown>) => Promise<unknown>

/** The store of one application server. */
export interface OpenStore {
  readonly store: FleetStore
  close(): unknown
}

/** The servers of a store, and the way to open it. */
export interface StoreFleet {
  readonly engines: readonly Engine[]
  /**
   * Opens the store for one application server.
   *
   * @param tap Stands before the back end, behind the copies of a near cache.
   * @param server Number of the application server, which decides on the kind of its client.
   */
  open(tap?: Tap, server?: number): Promise<OpenStore>
  /** Whether an outsider's write is taken and read back; where servers have to agree first on who takes writes. */
  readonly takesWrites?: () => Promise<boolean>
  close(): Promise<unknown>
}

/** A store on servers of its kind. */
export interface StoreKind {
  readonly title: string
  readonly needs: readonly ServerName[]
  /** How long a server may not know of a revocation on another, in milliseconds. */
  readonly bound: number
  start(): Promise<StoreFleet>
}

const BOUND = 2_000
const pass: Tap = (_method, next) => next()

/** Every kind of store that several servers can share. */
export const storeKinds: readonly StoreKind[] = [
  { title: 'PostgreSQL', needs: ['postgresql'], bound: 0, start: () => startOnPostgres(false) },
  { title: 'Redis', needs: ['redis-server'], bound: 0, start: () => startOnRedis(false) },
  { title: 'Redis Cluster', needs: ['redis-server'], bound: 0, start: startOnRedisCluster },
  { title: 'memcached', needs: ['memcached'], bound: 0, start: startOnMemcached },
  { title: 'SQLite', needs: [], bound: 0, start: () => startOnSqlite(false) },
  { title: 'replicated sessions', needs: ['nats-server'], bound: BOUND, start: startOnNats },
  {
    title: 'a near cache before PostgreSQL',
    needs: ['postgresql'],
    bound: BOUND,
    start: () => startOnPostgres(true),
  },
  {
    title: 'a near cache before Redis',
    needs: ['redis-server'],
    bound: BOUND,
    start: () => startOnRedis(true),
  },
  { title: 'a near cache before SQLite', needs: [], bound: BOUND, start: () => startOnSqlite(true) },
]

/** A store whose calls pass through a tap. */
export function tapStore<Store extends FleetStore>(store: Store, tap: Tap): Store {
  const calls = store as unknown as Record<string, (...values: unknown[]) => Promise<unknown>>
  const methods = ['create', 'read', 'write', 'touch', 'delete', 'quarantine', 'list', 'revokeAll']
  const tapped = methods.flatMap((method) => {
    const call = calls[method]
    return call ? [[method, (...values: unknown[]) => tap(method, () => call(...values))]] : []
  })
  const { copies } = store
  return {
    ...store,
    ...(Object.fromEntries(tapped) as object),
    ...(copies && {
      copies: { ...copies, fresh: (key: string) => tap('read', () => copies.fresh(key)) },
    }),
  }
}

async function startOnPostgres(isCached: boolean): Promise<StoreFleet> {
  const { url, engines, close } = await startPostgres()
  const settings = { connectionString: url, connectionTimeoutMillis: 1_000 }
  const admin = new pg.Client(settings)
  await admin.connect()
  await migratePostgresStore(admin, { notify: isCached })
  await admin.end()
  return {
    engines,
    close,
    async open(tap = pass, server = 0) {
      const pool = server % 2 === 0 ? new pg.Pool({ ...settings, max: 8 }) : undefined
      const sql = pool ? undefined : postgres(url, { max: 8, connect_timeout: 1, fetch_types: false })
      const store = tapStore(createPostgresStore((pool ?? sql) as pg.Pool), tap)
      const end = () => pool?.end() ?? sql?.end({ timeout: 0 })
      if (!isCached) return { store, close: end }
      const near = createNearCache(
        store,
        createPostgresInvalidations(() => new pg.Client(settings)),
      )
      return closeInTurn(near, () => near.close(), end)
    },
  }
}

async function startOnRedis(isCached: boolean): Promise<StoreFleet> {
  const { url, engines, close } = await startRedis()
  return {
    engines,
    close,
    async open(tap = pass, server = 0) {
      // Only node-redis passes on what is pushed.
      if (!isCached && server % 2 === 1) {
        const connection = await openIoredis(url)
        return { store: tapStore(createRedisStore(connection.client), tap), close: connection.close }
      }
      const connection = await openNodeRedis(url)
      const store = tapStore(createRedisStore(connection.client), tap)
      if (!isCached) return { store, close: connection.close }
      const near = createNearCache(store, createRedisInvalidations(connection.client))
      return closeInTurn(near, () => near.close(), connection.close)
    },
  }
}

async function startOnRedisCluster(): Promise<StoreFleet> {
  const { nodes, engines, close } = await startRedisCluster()
  return {
    engines,
    close,
    async open(tap = pass, server = 0) {
      const connection = await (server % 2 === 0 ? openNodeRedisCluster(nodes) : openIoredisCluster(nodes))
      return { store: tapStore(createRedisStore(connection.client), tap), close: connection.close }
    },
  }
}

async function startOnMemcached(): Promise<StoreFleet> {
  const { engines, close } = await startMemcached({ nodes: 2 })
  const addresses = engines.map(({ port }) => `127.0.0.1:${port}`)
  return {
    engines,
    close,
    async open(tap = pass) {
      const client = createMemcachedClient(addresses)
      return { store: tapStore(createMemcachedStore(client), tap), close: () => client.close() }
    },
  }
}

async function startOnSqlite(isCached: boolean): Promise<StoreFleet> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-fleet-'))
  const file = join(folder, 'sessions.db')
  const database = new Database(file)
  await migrateSqliteStore(database, { outbox: isCached })
  database.close()
  return {
    engines: [],
    close: () => rm(folder, { recursive: true, force: true }),
    async open(tap = pass) {
      const own = new Database(file)
      own.exec('PRAGMA synchronous = NORMAL')
      const store = tapStore(createSqliteStore(own), tap)
      const end = () => own.close()
      if (!isCached) return { store, close: end }
      const near = createNearCache(store, createSqliteInvalidations(own))
      return closeInTurn(near, () => near.close(), end)
    },
  }
}

async function startOnNats(): Promise<StoreFleet> {
  const { servers, engines, close } = await startNats()
  const bucket = `fleet-${randomBytes(6).toString('hex')}`
  return {
    engines,
    close,
    takesWrites: () => writeAsOutsider(servers, bucket),
    async open(tap = pass, server = 0) {
      const first = servers[server % servers.length] ?? ''
      const own = await startReplicatedServer(
        { servers: [first, ...servers.filter((address) => address !== first)], noRandomize: true },
        { bucket },
      )
      return { store: tapStore(own.store, tap), close: () => own.close() }
    },
  }
}

/** Puts an entry that means nothing to anybody, and reads it back: questions wait until the cluster has a leader, too. */
async function writeAsOutsider(servers: readonly string[], bucket: string): Promise<boolean> {
  const settings = { servers: [...servers], timeout: 500, reconnect: false }
  const connection = await connect(settings).catch(() => undefined)
  if (!connection) return false
  try {
    const subject = `$KV.${bucket}.probe`
    await jetstream(connection, { timeout: 500 }).publish(subject, 'x')
    const manager = await jetstreamManager(connection, { timeout: 500, checkAPI: false })
    return (await manager.streams.getMessage(`KV_${bucket}`, { last_by_subj: subject })) !== null
  } catch {
    return false
  } finally {
    await connection.close()
  }
}

function closeInTurn(store: FleetStore, first: () => Promise<unknown>, second: () => unknown): OpenStore {
  return {
    store,
    async close() {
      await first()
      await second()
    },
  }
}
