/**
 * Sessions in two memcached servers.
 *
 * @module
 */

import { createMemcachedClient, createMemcachedStore, type MemcachedNodes } from 'coatcheck/stores/memcached'
import { startMemcached } from '../../engines/memcached.ts'
import { describeMissing } from '../missing-servers.ts'
import type { EngineAddress, Strategy } from '../strategy.ts'

/** Spread over two servers, neither of which has a copy of the other's. */
export const memcached: Strategy = {
  name: 'memcached',
  title: { en: 'Shared memory (memcached)', ko: '공유 메모리 (memcached)' },
  summary: {
    en: 'Two memcached servers hold half of the sessions each. When one dies, its half is logged out.',
    ko: 'memcached 두 대가 세션을 절반씩 맡습니다. 하나가 죽으면 그 절반은 로그아웃됩니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true, engineDeath: 'loss' },
  backEnd: 'memcached',
  unavailable: async () => describeMissing('memcached'),
  startEngines: (options) => startMemcached({ ...options, nodes: 2 }),
  open: async ({ engines }) => {
    const client = createMemcachedClient(engines.map(({ port }) => ({ host: '127.0.0.1', port })))
    return {
      store: createMemcachedStore({ nodes: rename(client.nodes, engines) }),
      close: async () => client.close(),
    }
  },
}

/** Names decide on which node a session is, and each server of the shop reaches the nodes at ports of its own. */
function rename(nodes: MemcachedNodes['nodes'], engines: readonly EngineAddress[]): MemcachedNodes['nodes'] {
  return nodes.map((node, index) => {
    const { name } = engines[index] ?? node
    return Object.create(node, { name: { value: name } }) as typeof node
  })
}
