/**
 * The strategies that the lab can run, one object each.
 *
 * @module
 */

import type { StrategyInfo } from './protocol.ts'
import { memory, sticky } from './strategies/in-memory.ts'
import { memcached } from './strategies/memcached.ts'
import { postgres, postgresCached } from './strategies/postgres.ts'
import { redis, redisCached, redisCluster, redisSentinel } from './strategies/redis.ts'
import { sqlite, sqliteCached } from './strategies/sqlite.ts'
import { replicated } from './strategies/replicated.ts'
import { sealed, token } from './strategies/stateless.ts'
import type { Strategy } from './strategy.ts'

/**
 * Every strategy, in the order in which a person should meet them.
 *
 * They import the client of their back end when they open it: each process of the lab would load all of them otherwise, and
 * take a quarter longer to start.
 */
export const strategies: readonly Strategy[] = [
  memory,
  sticky,
  replicated,
  sqlite,
  sqliteCached,
  postgres,
  postgresCached,
  redis,
  redisCached,
  redisSentinel,
  redisCluster,
  memcached,
  token,
  sealed,
]

/** Finds a strategy by its name; `undefined` when there is none. */
export function findStrategy(name: string): Strategy | undefined {
  return strategies.find((strategy) => strategy.name === name)
}

/** Tells a person what a strategy is, and whether it can run here. */
export async function describeStrategy(strategy: Strategy): Promise<StrategyInfo> {
  const { name, title, summary, routing } = strategy
  return { name, title, summary, routing, unavailable: await strategy.unavailable() }
}
