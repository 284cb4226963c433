/**
 * Sessions in Redis: one server, a primary that sentinels choose, or a cluster; with a near cache or without.
 *
 * @module
 */

import { once } from 'node:events'
import { createNearCache } from 'coatcheck/stores/near-cache'
import {
  createRedisInvalidations,
  createRedisStore,
  type RedisClient,
  type RedisStoreOptions,
} from 'coatcheck/stores/redis'
import { startRedisCluster } from '../../engines/redis-cluster.ts'
import { startRedisSentinel } from '../../engines/redis-sentinel.ts'
import { startRedis } from '../../engines/redis.ts'
import { countNearCache } from '../copy-costs.ts'
import { describeMissing } from '../missing-servers.ts'
import { type EngineAddresses, NEAR_CACHE_BOUND, type Strategy } from '../strategy.ts'

/** How long a server waits for its back end before it listens, for a connection, and between two of them; milliseconds. */
const START_TIMEOUT = 2_000
const CONNECT_TIMEOUT = 1_000
const RECONNECT_INTERVAL = 100
/** How long a server may not answer at all before its connection is given up, in milliseconds. */
const SILENCE = 1_000
/** A write is acknowledged when a replica has it too: whichever of them dies, it stays. */
const WAIT = { replicas: 1, timeout: 300 }

/** What every client is given: commands are refused while it is cut off, and the deadline is the engine's. */
const SETTINGS = { disableOfflineQueue: true, commandOptions: { timeout: 0 }, RESP: 3 } as const
const SOCKET = { reconnectStrategy: () => RECONNECT_INTERVAL, connectTimeout: CONNECT_TIMEOUT }

/** One Redis. */
export const redis: Strategy = {
  name: 'redis',
  title: { en: 'Shared store (Redis)', ko: '공유 저장소 (Redis)' },
  summary: {
    en: 'All servers keep sessions in one Redis. Any of them may die; without Redis, nobody gets in.',
    ko: '모든 서버가 하나의 Redis에 세션을 저장합니다. 어느 서버가 죽어도 되지만, Redis가 없으면 아무도 들어올 수 없습니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true, engineDeath: 'restart' },
  backEnd: 'redis',
  unavailable: async () => describeMissing('redis-server'),
  startEngines: (options) => startRedis(options),
  open: async ({ addresses }) => {
    const client = await openClient(addresses)
    return { store: createRedisStore(client), close: async () => client.destroy() }
  },
}

/** One Redis, and a near cache on each server. */
export const redisCached: Strategy = {
  ...redis,
  name: 'redis-cached',
  title: { en: 'Redis + copy in RAM', ko: 'Redis + 메모리 사본' },
  summary: {
    en: 'As with Redis, but each server answers from a copy; Redis pushes what has changed, at most 2 s late.',
    ko: 'Redis와 같지만 서버마다 사본에서 답하고, 변경은 Redis가 밀어 줍니다. 늦어도 2초 안에 반영됩니다.',
  },
  promises: { ...redis.promises, bound: NEAR_CACHE_BOUND },
  hasFeed: true,
  open: async ({ addresses, feedAddresses }) => {
    const client = await openClient(addresses)
    const feed = createRedisInvalidations(listenAt(client, feedAddresses))
    const store = createNearCache(createRedisStore(client), feed, { bound: NEAR_CACHE_BOUND })
    return {
      store,
      countCosts: () => countNearCache(store.stats(), NEAR_CACHE_BOUND),
      close: async () => {
        await store.close()
        client.destroy()
      },
    }
  },
}

/** A primary and two replicas, watched by three sentinels. */
export const redisSentinel: Strategy = {
  ...redis,
  name: 'redis-sentinel',
  title: { en: 'Redis with a spare (Sentinel)', ko: '예비가 있는 Redis (Sentinel)' },
  summary: {
    en: 'A write counts when a second Redis has it too. When the primary dies, sentinels choose another within seconds.',
    ko: '쓰기는 두 번째 Redis에도 있어야 확정됩니다. 주 서버가 죽으면 센티널이 몇 초 안에 다른 서버를 고릅니다.',
  },
  promises: { ...redis.promises, engineDeath: 'failover' },
  unavailable: async () => describeMissing('redis-server', 'redis-sentinel'),
  startEngines: (options) => startRedisSentinel(options),
  open: async ({ addresses }) => {
    const { Redis } = await import('ioredis')
    const retry = () => RECONNECT_INTERVAL
    const client = new Redis({
      name: addresses.masterName ?? '',
      sentinels: [...(addresses.sentinels ?? [])],
      natMap: { ...addresses.nodeAddressMap },
      // The addresses that it would find lead around the links that the lab cuts.
      updateSentinels: false,
      // While there is no primary it asks each sentinel so often; node-redis asks one of them each second.
      sentinelRetryStrategy: retry,
      retryStrategy: retry,
      // A primary that stands still keeps its connections. The client's failoverDetector would end it for good when it is told
      // of a takeover while it connects (6.0).
      socketTimeout: SILENCE,
      connectTimeout: CONNECT_TIMEOUT,
      enableOfflineQueue: false,
      maxRetriesPerRequest: 1,
    })
    client.on('error', () => undefined)
    const ready = once(client, 'ready', { signal: AbortSignal.timeout(START_TIMEOUT) })
    await ready.catch(() => undefined)
    return { store: createRedisStore(client, { wait: WAIT }), close: async () => client.disconnect() }
  },
}

/**
 * Three primaries with a replica each.
 *
 * Writes do not wait for the replica: once it has taken over there is no other, and every write would be refused.
 */
export const redisCluster: Strategy = {
  ...redis,
  name: 'redis-cluster',
  title: { en: 'Redis in six parts (Cluster)', ko: '여섯으로 나눈 Redis (Cluster)' },
  summary: {
    en: 'Sessions are spread over three primaries, each with a replica that takes over when it dies.',
    ko: '세션을 주 서버 셋에 나누어 두고, 하나가 죽으면 그 복제본이 이어받습니다.',
  },
  promises: { ...redis.promises, engineDeath: 'failover', unreplicated: 10 },
  // Otherwise the death of one primary stops the other two until it has a successor.
  startEngines: (options) =>
    startRedisCluster({ ...options, config: { 'cluster-require-full-coverage': 'no' } }),
  open: async ({ addresses }) => {
    const { createCluster } = await import('redis')
    const client = createCluster({
      rootNodes: (addresses.nodes ?? []).map(({ host, port }) => ({ socket: { host, port } })),
      defaults: { ...SETTINGS, socket: SOCKET },
      nodeAddressMap: { ...addresses.nodeAddressMap },
      // How long a node may be away before the client asks the others who has taken over. Its own 5 s would be the outage.
      topologyRefreshOnReconnectionAttemptStrategy: 1_000,
      RESP: 3,
    })
    client.on('error', () => undefined)
    return openStore(client, client.connect(), () => client.destroy(), {})
  },
}

/** Lets the connection that listens go another way than the commands, so that it can be cut by itself. */
function listenAt(client: Awaited<ReturnType<typeof openClient>>, { url = '' }: EngineAddresses) {
  return {
    get isOpen() {
      return client.isOpen
    },
    options: client.options,
    sendCommand: (args: readonly string[]) => client.sendCommand(args),
    multi: () => client.multi(),
    duplicate: (overrides: object) => client.duplicate({ ...overrides, url }),
  }
}

async function openClient({ url = '' }: EngineAddresses) {
  const { createClient } = await import('redis')
  const client = createClient({ url, ...SETTINGS, socket: SOCKET })
  client.on('error', () => undefined)
  const ready = once(client, 'ready', { signal: AbortSignal.timeout(START_TIMEOUT) })
  void client.connect().catch(() => undefined)
  // A server that is started while Redis is down serves what it can, and has its sessions when Redis is back.
  await ready.catch(() => undefined)
  return client
}

async function openStore(
  client: RedisClient,
  connected: Promise<unknown>,
  destroy: () => unknown,
  options: RedisStoreOptions,
) {
  await Promise.race([
    connected.catch(() => undefined),
    new Promise((resolve) => setTimeout(resolve, START_TIMEOUT).unref()),
  ])
  return {
    store: createRedisStore(client, options),
    close: async () => {
      await destroy()
    },
  }
}
