/**
 * Every back end that revocations are kept in, with real servers, as two servers of an application reach it.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { connect as connectNats } from '@nats-io/transport-node'
import { Redis as Ioredis } from 'ioredis'
import Database from 'libsql'
import pg from 'pg'
import postgres from 'postgres'
import { createClient } from 'redis'
import { createCutter, type Cutter } from '../../lab/engines/cutter.ts'
import type { Engine } from '../../lab/engines/engine.ts'
import type { ServerName } from '../../lab/engines/installed.ts'
import { startNats } from '../../lab/engines/nats.ts'
import { startPostgres } from '../../lab/engines/postgres.ts'
import { startRedis } from '../../lab/engines/redis.ts'
import { startRedisCluster } from '../../lab/engines/redis-cluster.ts'
import { startRedisSentinel } from '../../lab/engines/redis-sentinel.ts'
import { createNatsLog, natsConnectionOptions } from '../../src/stores/replicated.ts'
import type { RevocationLog } from '../../src/tokens/revocation-log.ts'
import { createMemoryRevocationLog } from '../../src/tokens/revocations/memory.ts'
import { createNatsRevocationLog } from '../../src/tokens/revocations/nats.ts'
import {
  createPostgresRevocationLog,
  migratePostgresRevocations,
} from '../../src/tokens/revocations/postgres.ts'
import { createRedisRevocationLog } from '../../src/tokens/revocations/redis.ts'
import { createSqliteRevocationLog, migrateSqliteRevocations } from '../../src/tokens/revocations/sqlite.ts'
import {
  type Address,
  openIoredisCluster,
  openIoredisSentinel,
  openNodeRedisCluster,
  openNodeRedisSentinel,
} from './redis-connections.ts'

/** One server's way to the back end. */
export interface OpenedLog {
  readonly log: RevocationLog
  /** What lies between; absent where there is no network. */
  readonly cutter?: Cutter
}

/** A back end that is running. */
export interface RevocationBackend {
  /** Another server's way. */
  open(): Promise<OpenedLog>
  /** What can be killed and started again. */
  readonly engine?: Engine
  /** Kills the server that takes the writes, so that another one has to. */
  loseServer?(): Promise<unknown>
  /** Loses everything that was stored. */
  wipe?(): Promise<unknown>
  close(): Promise<unknown>
}

/** How to start one. */
export interface RevocationBackendKind {
  readonly name: string
  readonly servers: readonly ServerName[]
  /** What tests can do to it: cut the network and kill the server; make it lose everything; kill the one that writes. */
  readonly can: readonly ('break' | 'forget' | 'lose a server')[]
  start(): Promise<RevocationBackend>
}

const ignore = () => undefined

/** All of them. */
export const revocationBackends: readonly RevocationBackendKind[] = [
  {
    name: 'createMemoryRevocationLog()',
    servers: [],
    can: [],
    async start() {
      const log = createMemoryRevocationLog()
      return { open: async () => ({ log }), close: async () => undefined }
    },
  },
  { name: 'createSqliteRevocationLog()', servers: [], can: ['forget'], start: startSqlite },
  {
    name: 'createRedisRevocationLog() with node-redis',
    servers: ['redis-server'],
    can: ['break', 'forget'],
    start: () => startRedisLog(openNodeRedis),
  },
  {
    name: 'createRedisRevocationLog() with ioredis',
    servers: ['redis-server'],
    can: ['break', 'forget'],
    start: () => startRedisLog(openIoredis),
  },
  {
    name: 'createPostgresRevocationLog() with pg',
    servers: ['postgresql'],
    can: ['break', 'forget'],
    start: () => startPostgresLog(openPg),
  },
  {
    name: 'createPostgresRevocationLog() with postgres',
    servers: ['postgresql'],
    can: ['break', 'forget'],
    start: () => startPostgresLog(openPostgresJs),
  },
  { name: 'createNatsRevocationLog()', servers: ['nats-server'], can: ['break'], start: startNatsLog },
  {
    name: 'createNatsRevocationLog() on a cluster of three',
    servers: ['nats-server'],
    can: ['lose a server'],
    start: startNatsCluster,
  },
  {
    name: 'createRedisRevocationLog() with node-redis and Sentinel',
    servers: ['redis-server', 'redis-sentinel'],
    can: ['lose a server'],
    start: () =>
      startSentinelLog(({ sentinels, masterName }) => openNodeRedisSentinel(sentinels, masterName)),
  },
  {
    name: 'createRedisRevocationLog() with ioredis and Sentinel',
    servers: ['redis-server', 'redis-sentinel'],
    can: ['lose a server'],
    start: () => startSentinelLog(({ sentinels, masterName }) => openIoredisSentinel(sentinels, masterName)),
  },
  {
    name: 'createRedisRevocationLog() with node-redis on a cluster',
    servers: ['redis-server'],
    can: ['lose a server'],
    start: () => startClusterLog(openNodeRedisCluster),
  },
  {
    name: 'createRedisRevocationLog() with ioredis on a cluster',
    servers: ['redis-server'],
    can: ['lose a server'],
    start: () => startClusterLog(openIoredisCluster),
  },
]

async function startSqlite(): Promise<RevocationBackend> {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-revocations-'))
  const databases: Database.Database[] = []
  const open = () => {
    const database = new Database(join(folder, 'revocations.db'))
    database.exec('PRAGMA synchronous = NORMAL')
    databases.push(database)
    return database
  }
  const admin = open()
  await migrateSqliteRevocations(admin)
  return {
    open: async () => ({ log: createSqliteRevocationLog(open(), { interval: 20 }) }),
    wipe: async () => admin.exec('DELETE FROM coatcheck_revocations; DELETE FROM sqlite_sequence'),
    async close() {
      for (const database of databases) database.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
}

type OpenClient<Client> = (url: string) => Promise<{ readonly client: Client; readonly close: () => unknown }>
type RevocationRedis = Parameters<typeof createRedisRevocationLog>[0]

async function openNodeRedis(url: string) {
  const client = createClient({ url, disableOfflineQueue: true })
  client.on('error', ignore)
  await client.connect()
  return { client: client as RevocationRedis, close: () => client.isOpen && client.destroy() }
}

async function openIoredis(url: string) {
  const client = new Ioredis(url, { maxRetriesPerRequest: 1, retryStrategy: () => 100 })
  client.on('error', ignore)
  await client.ping()
  return { client, close: () => client.disconnect() }
}

async function startRedisLog(open: OpenClient<RevocationRedis>): Promise<RevocationBackend> {
  const server = await startRedis()
  const [engine] = server.engines
  const cleanups: (() => unknown)[] = []
  return {
    engine: engine!,
    async wipe() {
      const admin = createClient({ url: server.url })
      admin.on('error', ignore)
      await admin.connect()
      await admin.flushAll()
      admin.destroy()
    },
    async open() {
      const cutter = await createCutter({ host: '127.0.0.1', port: engine!.port })
      const { client, close } = await open(`redis://127.0.0.1:${cutter.port}`)
      cleanups.push(close, () => cutter.close())
      return { log: createRedisRevocationLog(client), cutter }
    },
    async close() {
      for (const cleanup of cleanups) await cleanup()
      await server.close()
    },
  }
}

function openPg(url: string) {
  const pool = new pg.Pool({ connectionString: url, max: 3, connectionTimeoutMillis: 1_000 })
  pool.on('error', ignore)
  const log = createPostgresRevocationLog(
    pool,
    () => new pg.Client({ connectionString: url, connectionTimeoutMillis: 1_000 }),
  )
  return { log, close: () => pool.end() }
}

function openPostgresJs(url: string) {
  const sql = postgres(url, { max: 3, connect_timeout: 1, fetch_types: false })
  const log = createPostgresRevocationLog(sql, (options) => postgres(url, options))
  return { log, close: () => sql.end({ timeout: 0 }) }
}

async function startPostgresLog(
  open: (url: string) => { log: RevocationLog; close(): unknown },
): Promise<RevocationBackend> {
  const server = await startPostgres()
  const [engine] = server.engines
  const cleanups: (() => unknown)[] = []
  const admin = new pg.Pool({ connectionString: server.url, max: 1 })
  admin.on('error', ignore)
  await Promise.all([migratePostgresRevocations(admin), migratePostgresRevocations(admin)])
  return {
    engine: engine!,
    wipe: () =>
      admin.query('TRUNCATE coatcheck_revocations; UPDATE coatcheck_revocations_sequence SET sequence = 0'),
    async open() {
      const cutter = await createCutter({ host: '127.0.0.1', port: engine!.port })
      const url = server.url.replace(`:${engine!.port}`, `:${cutter.port}`)
      const { log, close } = open(url)
      cleanups.push(close, () => cutter.close())
      return { log, cutter }
    },
    async close() {
      const closing = cleanups.map(async (cleanup) => cleanup())
      await Promise.all([...closing, admin.end()])
      await server.close()
    },
  }
}

async function startNatsLog(): Promise<RevocationBackend> {
  const server = await startNats({ nodes: 1 })
  const [engine] = server.engines
  const cleanups: (() => unknown)[] = []
  return {
    engine: engine!,
    async open() {
      const cutter = await createCutter({ host: '127.0.0.1', port: engine!.port })
      const connection = await connectNats({
        servers: `nats://127.0.0.1:${cutter.port}`,
        ...natsConnectionOptions,
        ignoreClusterUpdates: true,
      })
      cleanups.push(
        () => connection.close(),
        () => cutter.close(),
      )
      const bucket = createNatsLog(connection, { bucket: 'revocations', replicas: 1 })
      return { log: createNatsRevocationLog(bucket), cutter }
    },
    async close() {
      await Promise.allSettled(cleanups.map(async (cleanup) => cleanup()))
      await server.close()
    },
  }
}

interface OpenedRedis {
  readonly client: object
  readonly close: () => unknown
}

async function startSentinelLog(
  open: (group: Awaited<ReturnType<typeof startRedisSentinel>>) => Promise<OpenedRedis>,
): Promise<RevocationBackend> {
  const group = await startRedisSentinel()
  const closing: (() => unknown)[] = []
  return {
    async open() {
      const { client, close } = await open(group)
      closing.push(close)
      return { log: createRedisRevocationLog(client as RevocationRedis) }
    },
    loseServer: () => killPrimary(group.engines),
    async close() {
      for (const close of closing) await close()
      await group.close()
    },
  }
}

async function startClusterLog(
  open: (nodes: readonly Address[]) => Promise<OpenedRedis>,
): Promise<RevocationBackend> {
  const group = await startRedisCluster()
  const closing: (() => unknown)[] = []
  return {
    async open() {
      const { client, close } = await open(group.nodes)
      closing.push(close)
      return { log: createRedisRevocationLog(client as RevocationRedis) }
    },
    loseServer: () => killPrimary(group.engines),
    async close() {
      for (const close of closing) await close()
      await group.close()
    },
  }
}

/** Kills the server that has the entries and takes writes. */
async function killPrimary(engines: readonly Engine[]): Promise<void> {
  for (const engine of engines) {
    const admin = createClient({ url: `redis://127.0.0.1:${engine.port}` })
    admin.on('error', ignore)
    await admin.connect()
    const isPrimary = await admin
      .info('replication')
      .then((text) => text.includes('role:master'))
      .catch(() => false)
    const keys = isPrimary ? await admin.keys('*{revocations}:sequence').catch(() => []) : []
    admin.destroy()
    if (keys.length === 0) continue
    await engine.kill()
    return
  }
  throw new Error('No server has the revocations')
}

async function startNatsCluster(): Promise<RevocationBackend> {
  const group = await startNats({ nodes: 3 })
  const closing: (() => unknown)[] = []
  return {
    async open() {
      const connection = await connectNats({ servers: [...group.servers], ...natsConnectionOptions })
      closing.push(() => connection.close())
      return {
        log: createNatsRevocationLog(createNatsLog(connection, { bucket: 'revocations', replicas: 3 })),
      }
    },
    loseServer: () => group.engines[0]!.kill(),
    async close() {
      await Promise.allSettled(closing.map(async (close) => close()))
      await group.close()
    },
  }
}
