/**
 * Revocations in Redis or Valkey, pushed by publish and subscribe.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { RevocationEntry, RevocationListener, RevocationLog } from '../revocation-log.ts'
import { linkClient, type RedisClient } from '../../stores/redis/clients.ts'
import { createCommands, type RedisWait } from '../../stores/redis/commands.ts'
import { readPrefix, readWait } from '../../stores/redis/settings.ts'
import type { RedisScript } from '../../stores/redis/scripts.ts'
import { StoreUnavailableError } from '../../stores/store.ts'
import { keepConnected } from './channel.ts'
import { decodeEntry, encodeEntry } from './entry-text.ts'
import { type DuplicableRedisClient, openSubscriber } from './redis-subscriber.ts'

export type { DuplicableRedisClient, RedisSubscriber } from './redis-subscriber.ts'

/** Options of {@link createRedisRevocationLog}. */
export interface RedisRevocationLogOptions {
  /** What all keys begin with, and the channel. No braces. @default 'coatcheck:' */
  readonly prefix?: string
  /**
   * Acknowledges a revocation when so many replicas have it, and counts as out of date while so many cannot be reached: a
   * primary that was replaced, and does not know it yet, has none.
   *
   * @default one replica where any is connected
   */
  readonly wait?: RedisWait
}

/** For messages. */
const USER = 'Redis revocation log'

/** 200 ms is longer than a replica takes that is there. */
const WAIT_TIMEOUT = 200

/**
 * Creates a log in Redis 6.2 or newer, or Valkey: one server, Sentinel or Cluster, with node-redis or ioredis.
 *
 * It listens on a connection of its own, which it makes by `duplicate()` and closes. Clients stay open.
 *
 * @throws {TypeError} when the client is none that it can use.
 * @throws {RangeError} when the prefix or `wait` cannot be so.
 * @example
 * ```ts
 * const client = await createClient({ url }).connect()
 * const revocations = createRevocations(createRedisRevocationLog(client))
 * ```
 */
export function createRedisRevocationLog(
  client: RedisClient & DuplicableRedisClient,
  options: RedisRevocationLogOptions = {},
): RevocationLog {
  const prefix = readPrefix(options, USER)
  const wait = options.wait && readWait(options.wait, USER)
  const commands = createCommands(linkClient(client, USER), { writeTimeout: 2_000, user: USER })
  // One slot of a cluster for all of them.
  const [entries, counter, fence] = ['entries', 'sequence', 'fence'].map(
    (name) => `${prefix}{revocations}:${name}`,
  ) as [string, string, string]
  const channel = `${prefix}{revocations}`

  return {
    name: 'redis',

    async now() {
      return Number(await commands.run(nowScript, { keys: [counter] }))
    },

    async append(entry) {
      const args = [encodeEntry(entry), entry.expiresAt, channel]
      const answer = await commands.run(appendScript, { keys: [entries, counter], args })
      const [, replicas, id] = answer as readonly unknown[]
      const needed = wait ?? (Number(replicas) > 0 ? { replicas: 1, timeout: WAIT_TIMEOUT } : undefined)
      if (needed) await commands.fence(fence, String(id), needed)
    },

    async snapshot() {
      const answer = await commands.run(snapshotScript, { keys: [entries, counter] })
      const [sequence, ...texts] = answer as readonly unknown[]
      const decoded = texts.map(decodeEntry).filter((entry): entry is RevocationEntry => entry !== undefined)
      return { sequence: Number(sequence), entries: decoded }
    },

    subscribe(listener) {
      const connection = keepConnected(
        'Redis',
        ({ isCurrent, onEnd }) =>
          openSubscriber(client, channel, (message) => isCurrent() && tell(listener, message), onEnd),
        () => listener.broken(),
      )
      return {
        async echo(nonce) {
          connection.current()
          const heard = await commands.run(echoScript, { keys: [counter], args: [channel, nonce], wait })
          if (Number(heard) === 0)
            throw new StoreUnavailableError('Cannot prove that Redis tells of revocations')
        },
        async close() {
          connection.close()
        },
      }
    },
  }
}

/** A message is `+<number> <entry>` or `=<number> <nonce>`. */
function tell(listener: RevocationListener, message: string): void {
  const [, type, number, body = ''] = /^([+=])(\d+) (.*)$/s.exec(message) ?? []
  if (type === '+') listener.appended(Number(number), decodeEntry(body))
  else if (type === '=') listener.echoed(body, Number(number))
}

const CLOCK = `
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)`

/** → the server's clock in milliseconds */
const nowScript = script(`${CLOCK}
return now`)

/**
 * `entry, expiresAt, channel`; entries, counter → `[number, connected replicas, replication id]`. The channel has the
 * order of the numbers, as a script is one step.
 */
const appendScript = script(`${CLOCK}
-- A server that has lost everything goes on with numbers that were never given, or nobody would notice.
redis.call('SET', KEYS[2], string.format('%.0f', clock[1] * 1000000 + clock[2]), 'NX')
local number = redis.call('INCR', KEYS[2])
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('PUBLISH', ARGV[3], '+' .. string.format('%.0f', number) .. ' ' .. ARGV[1])
local info = redis.pcall('INFO', 'replication')
if type(info) ~= 'string' then info = '' end
local replicas = tonumber(string.match(info, 'connected_slaves:(%d+)')) or 0
return {number, replicas, string.match(info, 'master_replid:(%w+)') or ''}`)

/** entries, counter → `[number, entry, entry, …]` */
const snapshotScript = script(`${CLOCK}
local all = redis.call('ZRANGE', KEYS[1], '(' .. string.format('%.0f', now), '+inf', 'BYSCORE')
table.insert(all, 1, redis.call('GET', KEYS[2]) or '0')
return all`)

/** `channel, nonce`; counter → 1 */
const echoScript = script(`
redis.call('PUBLISH', ARGV[1], '=' .. (redis.call('GET', KEYS[1]) or '0') .. ' ' .. ARGV[2])
return 1`)

function script(source: string): RedisScript {
  return { source, sha: createHash('sha1').update(source).digest('hex') }
}
