/**
 * The strategies that the lab can run, one object each.
 *
 * @module
 */

import { once } from 'node:events'
import { join } from 'node:path'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { createRedisStore } from 'coatcheck/stores/redis'
import { createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'
import { startRedis } from '../engines/redis.ts'
import { describeMissing } from './missing-servers.ts'
import type { LabText, StrategyInfo } from './protocol.ts'
import type { OpenStore, Strategy, StrategyContext } from './strategy.ts'

const DATABASE_FILE = 'sessions.db'

/** How long a server waits for its back end before it listens, and between two attempts to reach it, in milliseconds. */
const CONNECT_TIMEOUT = 2_000
const RECONNECT_INTERVAL = 100

const memory: Strategy = {
  name: 'memory',
  title: { en: 'Memory of one server', ko: '서버 한 대의 메모리' },
  summary: {
    en: 'Each server keeps the logins it made itself. A request that reaches another server is a stranger there.',
    ko: '서버마다 자기가 만든 로그인만 기억합니다. 다른 서버로 간 요청은 모르는 사람이 됩니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: false, survivesServerDeath: false },
  unavailable: async () => undefined,
  open: openMemory,
}

const sticky: Strategy = {
  name: 'sticky',
  title: { en: 'Sticky load balancing', ko: '스티키 로드 밸런싱' },
  summary: {
    en: 'The balancer sends a visitor back to the server that knows them. When that server dies, its logins die too.',
    ko: '로드 밸런서가 방문자를 늘 같은 서버로 보냅니다. 그 서버가 죽으면 그 서버의 로그인도 사라집니다.',
  },
  routing: 'sticky',
  promises: { anyServer: false, survivesServerDeath: false },
  unavailable: async () => undefined,
  open: openMemory,
}

const sqlite: Strategy = {
  name: 'sqlite',
  title: { en: 'Shared database (SQLite)', ko: '공유 데이터베이스 (SQLite)' },
  summary: {
    en: 'All servers keep sessions in one SQLite file. Any of them may die; each request costs a read.',
    ko: '모든 서버가 하나의 SQLite 파일에 세션을 저장합니다. 어느 서버가 죽어도 되지만, 요청마다 읽기가 한 번 듭니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true },
  databaseFile: DATABASE_FILE,
  unavailable: findMissingSqlite,
  prepare: async ({ folder }) => {
    const database = await openDatabase(folder)
    await migrateSqliteStore(database)
    database.close()
  },
  open: async ({ folder }) => {
    const database = await openDatabase(folder)
    return {
      // Its clock is the machine's, not the one in the context: that may be set wrong for one server, and then only the
      // engine of that server goes wrong.
      // The lab kills processes, not the machine: after a kill -9, what was committed is in the system's hands and
      // stays, so no write has to wait for the disk.
      store: createSqliteStore(database, { synchronous: 'normal' }),
      close: async () => {
        database.close()
      },
    }
  },
}

const redis: Strategy = {
  name: 'redis',
  title: { en: 'Shared store (Redis)', ko: '공유 저장소 (Redis)' },
  summary: {
    en: 'All servers keep sessions in one Redis. Any of them may die; without Redis, nobody gets in.',
    ko: '모든 서버가 하나의 Redis에 세션을 저장합니다. 어느 서버가 죽어도 되지만, Redis가 없으면 아무도 들어올 수 없습니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true },
  unavailable: async () => describeMissing('redis-server'),
  startEngines: (options) => startRedis(options),
  open: async ({ addresses }) => {
    const { createClient } = await import('redis')
    const client = createClient({
      url: addresses.url ?? '',
      disableOfflineQueue: true,
      commandOptions: { timeout: 0 },
      socket: { reconnectStrategy: () => RECONNECT_INTERVAL },
    })
    client.on('error', () => undefined)
    const ready = once(client, 'ready', { signal: AbortSignal.timeout(CONNECT_TIMEOUT) })
    void client.connect().catch(() => undefined)
    // A server that is started while Redis is down serves what it can, and has its sessions when Redis is back.
    await ready.catch(() => undefined)
    return {
      store: createRedisStore(client),
      close: async () => client.destroy(),
    }
  },
}

/** Every strategy, in the order in which a person should meet them. */
export const strategies: readonly Strategy[] = [memory, sticky, sqlite, redis]

/** Finds a strategy by its name; `undefined` when there is none. */
export function findStrategy(name: string): Strategy | undefined {
  return strategies.find((strategy) => strategy.name === name)
}

/** Tells a person what a strategy is, and whether it can run here. */
export async function describeStrategy(strategy: Strategy): Promise<StrategyInfo> {
  const { name, title, summary, routing } = strategy
  return { name, title, summary, routing, unavailable: await strategy.unavailable() }
}

/** Resolves to what to do when SQLite cannot be loaded; `undefined` when it can. */
export async function findMissingSqlite(): Promise<LabText | undefined> {
  try {
    await import('libsql')
    return undefined
  } catch {
    return {
      en: 'The npm package "libsql" is missing or has no build for this platform: run "npm ci".',
      ko: 'npm 패키지 "libsql"이 없거나 이 플랫폼용 빌드가 없습니다. "npm ci"를 실행하세요.',
    }
  }
}

async function openMemory({ now }: StrategyContext): Promise<OpenStore> {
  return { store: createMemoryStore({ now }), close: async () => undefined }
}

async function openDatabase(folder: string) {
  const { default: Database } = await import('libsql')
  return new Database(join(folder, DATABASE_FILE))
}
