/**
 * How full memcached servers are.
 *
 * @module
 */

import type { MemcachedNode, MemcachedNodeStats } from '../memcached.ts'

/** Asks each server. One that gives no answer is reported as not reachable. */
export async function examineNodes(nodes: readonly MemcachedNode[]): Promise<readonly MemcachedNodeStats[]> {
  return Promise.all(
    nodes.map(async (node) => {
      const stats = await node.stats().catch(() => undefined)
      const count = (name: string) => Number(stats?.get(name) ?? 0)
      return {
        name: node.name,
        reachable: stats !== undefined,
        version: stats?.get('version'),
        items: count('curr_items'),
        bytes: count('bytes'),
        maxBytes: count('limit_maxbytes'),
        evictions: count('evictions'),
      }
    }),
  )
}
