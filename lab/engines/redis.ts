/**
 * Starts one real Redis.
 *
 * @module
 */

import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { withFreePorts } from './ports.ts'
import { prepareRedisServer, type RedisConfig } from './redis-server.ts'

/** Options of {@link startRedis}. */
export interface RedisOptions extends EngineOptions {
  /**
   * More directives of `redis.conf`: `requirepass`, `maxmemory-policy`, `appendonly`, …
   *
   * @default an append-only file, so that acknowledged writes outlive a kill
   */
  readonly config?: RedisConfig
}

/** A running Redis. */
export interface Redis extends EngineGroup {
  /** Address for any client, with the password if there is one. */
  readonly url: string
}

/**
 * Starts a Redis of its own on a free port. Its engine is called `redis`.
 *
 * @throws When it is not installed, or does not start.
 */
export async function startRedis(options: RedisOptions = {}): Promise<Redis> {
  const { config = {} } = options
  return await withFreePorts(1, ([port = 0]) =>
    createGroup(options, async ({ folder, start }) => {
      await start(await prepareRedisServer(folder, { name: 'redis', port, config }))
      const password = config['requirepass']
      const credentials = password === undefined ? '' : `:${encodeURIComponent(String(password))}@`
      return { url: `redis://${credentials}127.0.0.1:${port}` }
    }),
  )
}
