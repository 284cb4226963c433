/**
 * The ways of keeping a login that a lecture tells apart, and which strategy goes which of them.
 *
 * @module
 */

import type { StrategyInfo } from '../../../fleet/protocol.ts'

/** The ways, in the order in which one leads to the next; `other`: what the page has no name for. */
const ways = ['memory', 'sticky', 'replication', 'database', 'copy', 'store', 'stateless', 'other'] as const

/** A way of keeping a login. */
export type Way = (typeof ways)[number]

/** A way, and the strategies that go it. */
export interface WayGroup {
  readonly way: Way
  /** From 1. */
  readonly number: number
  /** At least one, in the order in which they were given. */
  readonly strategies: readonly StrategyInfo[]
}

const WAYS: Readonly<Record<string, Way>> = {
  memory: 'memory',
  sticky: 'sticky',
  replicated: 'replication',
  sqlite: 'database',
  postgres: 'database',
  'sqlite-cached': 'copy',
  'postgres-cached': 'copy',
  'redis-cached': 'copy',
  redis: 'store',
  'redis-sentinel': 'store',
  'redis-cluster': 'store',
  memcached: 'store',
  token: 'stateless',
  sealed: 'stateless',
}

/** Groups strategies by their way. A way that none of them goes is left out, and the others keep their numbers. */
export function groupByWay(strategies: readonly StrategyInfo[]): readonly WayGroup[] {
  const groups = ways.map((way, index) => ({
    way,
    number: index + 1,
    strategies: strategies.filter(({ name }) => (WAYS[name] ?? 'other') === way),
  }))
  return groups.filter((group) => group.strategies.length > 0)
}
