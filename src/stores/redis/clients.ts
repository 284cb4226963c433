/**
 * The parts of Redis clients that the store calls, and the one interface it knows them by.
 *
 * @module
 */

import { SESSION_STORE } from './errors.ts'
import { linkIoredis } from './ioredis.ts'
import { linkNodeRedis, linkNodeRedisCluster, linkNodeRedisSentinel } from './node-redis.ts'

/** A client of node-redis: `createClient()`, or a pool of `createClientPool()`. */
export interface NodeRedisClient {
  readonly isOpen: boolean
  readonly isReady?: boolean
  sendCommand(args: string[]): Promise<unknown>
  multi(): NodeRedisPipeline
}

/** Commands that go together on one connection of {@link NodeRedisClient}. */
export interface NodeRedisPipeline {
  addCommand(args: string[]): unknown
  execAsPipeline(): Promise<unknown>
}

/** A cluster client of node-redis: `createCluster()`. */
export interface NodeRedisCluster {
  readonly isOpen: boolean
  sendCommand(firstKey: string, isReadonly: boolean, args: string[]): Promise<unknown>
  getNodeClientForKey(key: string, isReadonly?: boolean): Promise<NodeRedisClient>
}

/** A Sentinel client of node-redis: `createSentinel()`. */
export interface NodeRedisSentinel {
  readonly isOpen: boolean
  sendCommand(isReadonly: boolean, args: string[]): Promise<unknown>
  multi(): NodeRedisSentinelPipeline
  getMasterNode(): unknown
}

/** Commands that go together on one connection of {@link NodeRedisSentinel}. */
export interface NodeRedisSentinelPipeline {
  addCommand(isReadonly: boolean, args: string[]): unknown
  execAsPipeline(): Promise<unknown>
}

/** A client of ioredis: `new Redis()`, with Sentinels or without, or `new Cluster()`. */
export interface IoredisClient {
  readonly status: string
  readonly isCluster?: boolean
  readonly options: object
  call(command: string, ...args: string[]): Promise<unknown>
  pipeline(commands: unknown[][]): { exec(): Promise<readonly (readonly [unknown, unknown])[] | null> }
}

/** Any client that {@link createRedisStore} works with. */
export type RedisClient = NodeRedisClient | NodeRedisCluster | NodeRedisSentinel | IoredisClient

/** A Redis client as the store knows it: it sends commands to the primary that has a key. */
export interface RedisLink {
  /** Whether keys are spread over nodes, so that one command may only touch keys of one slot. */
  readonly isCluster: boolean
  /** Sends a command to the primary of a key. */
  send(key: string, args: string[]): Promise<unknown>
  /** Sends two commands to the primary of a key, one right after the other on the same connection. */
  sendPair(key: string, first: string[], second: string[]): Promise<readonly [unknown, unknown]>
}

/**
 * Makes a link of a client.
 *
 * @param user What uses Redis, for messages.
 * @throws {TypeError} when it is none that the store can use.
 */
export function linkClient(client: RedisClient, user: string = SESSION_STORE): RedisLink {
  const given: Readonly<Record<string, unknown>> = Object(client)
  const has = (...names: readonly string[]) => names.every((name) => typeof given[name] === 'function')
  if (has('call', 'pipeline') && typeof given['status'] === 'string')
    return linkIoredis(client as IoredisClient, user)
  if (has('sendCommand', 'getNodeClientForKey')) return linkNodeRedisCluster(client as NodeRedisCluster)
  if (has('sendCommand', 'getMasterNode')) return linkNodeRedisSentinel(client as NodeRedisSentinel)
  // A cluster client of redis 6.0 and older looks like a client of one server, and would send keys to the wrong nodes.
  const isOldCluster = 'masters' in given && 'replicas' in given
  if (has('sendCommand') && typeof given['isOpen'] === 'boolean' && !isOldCluster)
    return linkNodeRedis(client as NodeRedisClient)
  throw new TypeError(
    `Cannot create a ${user} as the client is none of: createClient(), createClientPool(), ` +
      'createCluster() or createSentinel() of redis 6.1 or newer, new Redis() or new Cluster() of ioredis',
  )
}
