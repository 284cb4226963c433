/**
 * Connections to real Redis servers by every client that the store takes, and the store contract run over them.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster as IoredisCluster, Redis as Ioredis } from 'ioredis'
import { createClient, createClientPool, createCluster, createSentinel } from 'redis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../../src/conformance/store-contract.ts'
import { createRedisStore, type RedisClient, type RedisStoreOptions } from '../../src/stores/redis.ts'

/** A client of any kind, with a way around the store. */
export interface RedisConnection<Client extends RedisClient = RedisClient> {
  readonly client: Client
  /** Sends a command to the primary of a key. */
  readonly send: (key: string, ...args: readonly string[]) => Promise<unknown>
  readonly close: () => unknown
}

/** Where a server listens. */
export interface Address {
  readonly host: string
  readonly port: number
}

const ignore = () => undefined

/** As the guide says: nothing is queued while the server is away, and no timer for each command. */
const settings = { disableOfflineQueue: true, commandOptions: { timeout: 0 } } as const

/** node-redis on one server. */
export async function openNodeRedis(url: string) {
  const client = createClient({ url, ...settings })
  client.on('error', ignore)
  await client.connect()
  const close = () => client.isOpen && client.destroy()
  return { client, send: (_key, ...args) => client.sendCommand(args), close } satisfies RedisConnection
}

/** A pool of node-redis on one server. */
export async function openNodeRedisPool(url: string) {
  const client = createClientPool({ url, ...settings }, { minimum: 3 })
  client.on('error', ignore)
  await client.connect()
  const close = () => client.isOpen && client.destroy()
  return { client, send: (_key, ...args) => client.sendCommand([...args]), close } satisfies RedisConnection
}

/** node-redis on a cluster. */
export async function openNodeRedisCluster(nodes: readonly Address[]) {
  const client = createCluster({
    rootNodes: nodes.map((socket) => ({ socket: { ...socket } })),
    defaults: settings,
    topologyRefreshOnReconnectionAttemptStrategy: 500,
  })
  client.on('error', ignore)
  await client.connect()
  const close = () => client.isOpen && client.destroy()
  return {
    client,
    send: (key, ...args) => client.sendCommand(key, false, [...args]),
    close,
  } satisfies RedisConnection
}

/** node-redis with Sentinel. */
export async function openNodeRedisSentinel(
  sentinels: readonly Address[],
  name: string,
  options: { readonly masterPoolSize?: number } = {},
) {
  const client = createSentinel({
    ...options,
    name,
    sentinelRootNodes: sentinels.map((address) => ({ ...address })),
    nodeClientOptions: settings,
    commandOptions: { timeout: 0 },
  })
  client.on('error', ignore)
  await client.connect()
  const close = () => client.isOpen && client.destroy()
  return {
    client,
    send: (_key, ...args) => client.sendCommand(false, [...args]),
    close,
  } satisfies RedisConnection
}

/** ioredis on one server. @param wait Whether to wait until it answers. */
export async function openIoredis(url: string, wait = true) {
  return await readyIoredis(new Ioredis(url, { maxRetriesPerRequest: 1 }), wait)
}

/** ioredis with Sentinel. */
export async function openIoredisSentinel(sentinels: readonly Address[], name: string) {
  return await readyIoredis(
    new Ioredis({
      sentinels: [...sentinels],
      name,
      maxRetriesPerRequest: 1,
      sentinelRetryStrategy: () => 100,
      retryStrategy: () => 100,
    }),
  )
}

/** ioredis on a cluster. */
export async function openIoredisCluster(nodes: readonly Address[]) {
  return await readyIoredis(new IoredisCluster([...nodes], { redisOptions: { maxRetriesPerRequest: 1 } }))
}

async function readyIoredis<Client extends Ioredis | IoredisCluster>(client: Client, wait = true) {
  client.on('error', ignore)
  if (wait) await client.ping()
  return {
    client,
    send: (_key: string, command = '', ...args: readonly string[]) => client.call(command, ...args),
    close: () => client.disconnect(),
  } satisfies RedisConnection<Client>
}

/** Runs every clause of the store contract, several at once; two connections serve them, as on two servers. */
export function describeRedisContract(title: string, open: () => Promise<RedisConnection>): void {
  describe.concurrent(title, () => {
    let own: RedisConnection
    let other: RedisConnection
    beforeAll(async () => {
      ;[own, other] = await Promise.all([open(), open()])
    })
    afterAll(async () => {
      await own.close()
      await other.close()
    })

    it.for(storeContract)('$title', async (clause, { skip, onTestFinished }) => {
      const takesAway = clause.needs?.includes('unplug') === true
      const connection = takesAway ? await open() : own
      if (takesAway) onTestFinished(() => void connection.close())
      const trial = createRedisTrial(connection, other)
      const missing = missingCapability(clause, trial)
      if (missing !== undefined) skip(`needs ${missing}`)
      await clause.verify(trial)
    })
  })
}

/** Stores of two servers, with keys of their own; time is waited for. */
export function createRedisTrial(
  own: RedisConnection,
  other: RedisConnection = own,
  options: RedisStoreOptions = {},
): StoreTrial & { readonly prefix: string } {
  const prefix = mintPrefix()
  return {
    prefix,
    store: createRedisStore(own.client, { prefix, ...options }),
    peer: createRedisStore(other.client, { prefix, ...options }),
    now: Date.now,
    elapse: (milliseconds) => delay(milliseconds),
    corrupt: async (key) => {
      const record = `${prefix}s:{${key}}`
      await other.send(record, 'SET', record, 'rubbish')
    },
    unplug: async () => {
      await own.close()
    },
  }
}

/** Invents a prefix that no other test has. */
export function mintPrefix(): string {
  return `${randomBytes(6).toString('hex')}:`
}
