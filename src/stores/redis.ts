/**
 * Sessions in Redis or Valkey: one server, a primary that Sentinels choose, or a cluster.
 *
 * @module
 */

import type { InvalidationFeed } from './invalidations.ts'
import { examine } from './redis/check.ts'
import { linkClient, type RedisClient } from './redis/clients.ts'
import { createCommands } from './redis/commands.ts'
import { subscribe } from './redis/invalidations.ts'
import { createFinder, type RedisConnect, type RedisFeedClient } from './redis/primaries.ts'
import { createPrincipalIndex } from './redis/principals.ts'
import { createReads } from './redis/reads.ts'
import { decodeSession, keepUntil, principalOf } from './redis/record.ts'
import { deleteScript, Outcome, quarantineScript, touchScript } from './redis/scripts.ts'
import { readPrefix, readSettings, type RedisStoreOptions } from './redis/settings.ts'
import { createWrites } from './redis/writes.ts'
import { CorruptRecordError, type IndexedSessionStore, type SessionStore } from './store.ts'

export type {
  IoredisClient,
  NodeRedisClient,
  NodeRedisCluster,
  NodeRedisPipeline,
  NodeRedisSentinel,
  NodeRedisSentinelPipeline,
  RedisClient,
} from './redis/clients.ts'
export type { RedisWait } from './redis/commands.ts'
export type { DuplicableClient, RedisConnect, RedisFeedClient, RedisNode } from './redis/primaries.ts'
export type { RedisTrackingClient } from './redis/tracking.ts'
export type { RedisStoreOptions } from './redis/settings.ts'

/** What {@link createRedisStore} makes. */
export type RedisStore = IndexedSessionStore & Required<Pick<SessionStore, 'now'>>

/**
 * User of a record that is no session but leads to one: the engine turns the records of rotated ids into such. They are
 * not indexed, as all of them would be in one set.
 */
const POINTER_PRINCIPAL = ''

/** How long a record that was set aside is kept for an operator, in milliseconds. */
const QUARANTINE_LIFETIME = 7 * 86_400_000

/**
 * Creates a store on Redis 6.2 or newer, or on Valkey.
 *
 * It takes clients of node-redis and of ioredis: for one server, for Sentinel, for a cluster. It neither connects nor
 * closes them. Let them refuse commands while they are cut off, as below, and {@link checkRedisStore} tell at start-up
 * what of the server's configuration is dangerous for sessions.
 *
 * @throws {TypeError} when the client is none of these, or is set up so that sessions would be read wrongly.
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * const client = createClient({
 *   url: 'redis://127.0.0.1:6379',
 *   disableOfflineQueue: true, // nothing is sent late that nobody waits for any more
 *   commandOptions: { timeout: 0 }, // the engine has its own deadline; a timer for each command would cost more than it
 * })
 * client.on('error', (error) => console.error(error))
 * await client.connect()
 * for (const warning of await checkRedisStore(client)) console.warn(warning)
 * const sessions = createSessions(createRedisStore(client))
 * ```
 */
export function createRedisStore(client: RedisClient, options: RedisStoreOptions = {}): RedisStore {
  const settings = readSettings(options)
  const { prefix, wait, deleteWait } = settings
  const link = linkClient(client)
  const commands = createCommands(link, settings)
  const keysOf = (key: string) => ({ record: `${prefix}s:{${key}}`, use: `${prefix}u:{${key}}` })
  const read = createReads(link, commands, keysOf)
  const index = createPrincipalIndex(prefix, commands, (key) => read(key).catch(forgetCorrupt))

  const put = createWrites({ link, commands, index, keysOf, wait })

  return {
    name: 'redis',

    async now() {
      const key = `${prefix}t`
      const [seconds, microseconds] = (await commands.send(key, 'TIME')) as readonly unknown[]
      const now = Number(seconds) * 1_000 + Number(microseconds) / 1_000
      commands.learn(now)
      return now
    },

    create: (key, record) => put(key, record, undefined, index.keyOf(record.principal)),

    read,

    write: (key, version, record) =>
      put(
        key,
        record,
        version,
        record.principal === POINTER_PRINCIPAL ? undefined : index.keyOf(record.principal),
      ),

    async touch(key, lastSeenAt, expiresAt) {
      const { record, use } = keysOf(key)
      const touch = async (until: number) =>
        commands.write(touchScript, { keys: [record, use], args: [lastSeenAt, expiresAt, until] })

      const [outcome, stored] = await touch(0)
      if (Number(outcome) !== Outcome.prolong) return Number(outcome) === Outcome.done
      const until = keepUntil(lastSeenAt, expiresAt)
      const user = index.keyOf(principalOf(String(stored)))
      if (user !== undefined) await index.enter(user, key, until)
      const [last] = await touch(until)
      return Number(last) !== Outcome.gone
    },

    async delete(key) {
      const { record: recordKey, use: useKey } = keysOf(key)
      const answer = await commands.write(deleteScript, { keys: [recordKey, useKey], wait })
      const [outcome, record, use, replicas, replicationId] = answer
      // Also when there was nothing: a deletion that was refused for want of replicas is tried again.
      if (deleteWait && Number(replicas) > 0) {
        await commands.fence(`${prefix}w:{${key}}`, String(replicationId), deleteWait)
      }
      if (Number(outcome) !== Outcome.done) return undefined
      try {
        const session = decodeSession(key, String(record), String(use))
        index.leave(session.principal, key)
        return session
      } catch (error) {
        return forgetCorrupt(error)
      }
    },

    list: (principal) => index.list(principal),

    async quarantine(key) {
      const { record, use } = keysOf(key)
      const keys = [record, use, `${prefix}q:{${key}}`]
      const [outcome] = await commands.write(quarantineScript, { keys, args: [QUARANTINE_LIFETIME], wait })
      return Number(outcome) === Outcome.done
    },
  }
}

/** Options of {@link createRedisInvalidations}. */
export interface RedisInvalidationsOptions {
  /** Prefix of the store's keys, as given to {@link createRedisStore}. @default 'coatcheck:' */
  readonly prefix?: string
  /**
   * Makes a client of node-redis for a connection to a node, with `RESP: 3` and `emitInvalidate: true`, and does not connect
   * it. Needed with Sentinel, and where the nodes of a cluster are not reached at the addresses they tell. The feed
   * closes it.
   *
   * @default a duplicate of the client, or of its connection to a node
   */
  readonly connect?: RedisConnect
  /** Told each time listening failed or ended, before it is tried again. @default nobody */
  readonly onError?: (error: unknown) => void
}

/**
 * Creates the feed for a near cache in front of {@link createRedisStore}: the server pushes the keys of changed sessions.
 *
 * It opens a connection of its own to each primary, by duplicating the client. Only clients of node-redis pass on what is
 * pushed; the store itself may be on another client, with the same prefix, server and user.
 *
 * @throws {TypeError} when the client is one of ioredis, or a Sentinel client comes without `connect`.
 * @throws {RangeError} when the prefix cannot be one.
 * @example
 * ```ts
 * const feed = createRedisInvalidations(client)
 * const sessions = createSessions(createNearCache(createRedisStore(client), feed))
 * ```
 */
export function createRedisInvalidations(
  client: RedisFeedClient,
  options: RedisInvalidationsOptions = {},
): InvalidationFeed {
  const { connect, onError = () => undefined } = options
  const prefix = `${readPrefix(options)}s:`
  const find = createFinder(client, connect)
  const link = linkClient(client)
  return {
    name: 'redis',
    subscribe: (listener) => subscribe(listener, { prefix, link, find, onError }),
  }
}

/**
 * Examines the server at start-up.
 *
 * @param options As given to {@link createRedisStore}.
 * @returns One sentence for each thing in its configuration that is dangerous for sessions, with the setting that helps.
 * @throws {StoreUnavailableError} when sessions cannot be kept there: not reachable, refused, a replica, too old, not
 * the kind of server that the client is for. The message says what to do.
 * @throws {TypeError | RangeError} as {@link createRedisStore}.
 */
export async function checkRedisStore(
  client: RedisClient,
  options: RedisStoreOptions = {},
): Promise<readonly string[]> {
  const settings = readSettings(options)
  const link = linkClient(client)
  return examine(link, createRedisStore(client, options), settings)
}

function forgetCorrupt(error: unknown): undefined {
  if (error instanceof CorruptRecordError) return undefined
  throw error
}
