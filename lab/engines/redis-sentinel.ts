/**
 * Starts a real Redis that fails over: a primary, two replicas, and three sentinels that watch them.
 *
 * @module
 */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EngineSpec } from './engine.ts'
import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { expectProgram } from './installed.ts'
import { withFreePorts } from './ports.ts'
import {
  askRedis,
  expectRedis,
  formatRedisConfig,
  prepareRedisServer,
  type RedisConfig,
} from './redis-server.ts'
import { waitUntil } from './wait-until.ts'

/** Options of {@link startRedisSentinel}. */
export interface RedisSentinelOptions extends EngineOptions {
  /**
   * How long a primary may be silent before the sentinels replace it, in milliseconds. They ask it once a second at most,
   * so that a second would be over whenever one of its answers is late, such as the first as a primary.
   *
   * @default 1_500
   */
  readonly downAfter?: number
  /**
   * More directives for primary and replicas: `min-replicas-to-write`, `requirepass`, …
   *
   * @default none
   */
  readonly config?: RedisConfig
}

/** A running Redis with its sentinels. */
export interface RedisSentinel extends EngineGroup {
  /** Addresses that a client asks for the primary. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[]
  /** Name of the primary, as the sentinels know it. */
  readonly masterName: string
}

const MASTER = 'coatcheck'
const SERVERS = 3
const SENTINELS = 3
const QUORUM = 2
const GROUP_TIMEOUT = 20_000

/**
 * Starts them on free ports. Resolves when both replicas follow the primary and the sentinels know each other. The engines
 * are called `redis-1` (the first primary), `redis-2`, `redis-3`, `sentinel-1`, `sentinel-2`, `sentinel-3`.
 *
 * @throws When Redis is not installed, or does not start.
 */
export async function startRedisSentinel(options: RedisSentinelOptions = {}): Promise<RedisSentinel> {
  const { downAfter = 1_500, config = {} } = options
  const password = String(config['requirepass'] ?? '')
  return await withFreePorts(SERVERS + SENTINELS, (ports) =>
    createGroup(options, async ({ folder, start }) => {
      const [primary = 0, ...replicas] = ports.slice(0, SERVERS)
      const sentinels = ports.slice(SERVERS)
      const servers = await Promise.all(
        [primary, ...replicas].map((port, index) =>
          prepareRedisServer(folder, {
            name: `redis-${index + 1}`,
            port,
            config: {
              'repl-ping-replica-period': 1,
              ...(password && { masterauth: password }),
              ...(port !== primary && { replicaof: `127.0.0.1 ${primary}` }),
              ...config,
            },
          }),
        ),
      )
      await Promise.all(servers.map(start))
      await waitUntil(() => expectReplicas(primary, password), GROUP_TIMEOUT)

      // Only now: what a sentinel finds at its first look it knows at once, what comes later after ten seconds.
      const watchers = await Promise.all(
        sentinels.map((port, index) =>
          prepareSentinel(folder, `sentinel-${index + 1}`, port, { primary, password, downAfter }),
        ),
      )
      await Promise.all(watchers.map(start))
      await waitUntil(() => expectSentinels(sentinels), GROUP_TIMEOUT)
      return { sentinels: sentinels.map((port) => ({ host: '127.0.0.1', port })), masterName: MASTER }
    }),
  )
}

/** Writes the files of a sentinel, and describes how to run it. */
async function prepareSentinel(
  folder: string,
  name: string,
  port: number,
  watched: { readonly primary: number; readonly password: string; readonly downAfter: number },
): Promise<EngineSpec> {
  const data = join(folder, name)
  await mkdir(data)
  const file = join(data, 'sentinel.conf')
  const directives = [
    `monitor ${MASTER} 127.0.0.1 ${watched.primary} ${QUORUM}`,
    `down-after-milliseconds ${MASTER} ${watched.downAfter}`,
    // When two sentinels stand for election and neither wins, the next election comes after twice that long.
    `failover-timeout ${MASTER} ${3 * watched.downAfter}`,
    `parallel-syncs ${MASTER} ${SERVERS - 1}`,
    ...(watched.password ? [`auth-pass ${MASTER} ${watched.password}`] : []),
  ]
  await writeFile(file, formatRedisConfig({ port, bind: '127.0.0.1', dir: data, sentinel: directives }))
  return {
    name,
    port,
    file: expectProgram('redis-sentinel'),
    args: [file],
    check: (pid) => expectRedis(port, pid, ''),
  }
}

async function expectReplicas(primary: number, password: string): Promise<void> {
  const answer = await askRedis(primary, ['INFO replication'], password)
  const online = answer.match(/^slave\d+:.*state=online/gm) ?? []
  if (online.length < SERVERS - 1) throw new Error('The replicas do not follow the primary')
}

async function expectSentinels(ports: readonly number[]): Promise<void> {
  const complete = `status=ok,address=127.0.0.1:\\d+,slaves=${SERVERS - 1},sentinels=${SENTINELS}`
  for (const port of ports) {
    const answer = await askRedis(port, [`SENTINEL CKQUORUM ${MASTER}`, 'INFO sentinel'])
    if (!answer.includes(`+OK ${SENTINELS} usable`) || !new RegExp(complete).test(answer)) {
      throw new Error('The sentinels do not know each other')
    }
  }
}
