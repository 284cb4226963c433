/**
 * Sessions in the memory of the server that made them.
 *
 * @module
 */

import { createMemoryStore } from 'coatcheck/stores/memory'
import type { OpenStore, Strategy, StrategyContext } from '../strategy.ts'

/** Each server by itself, any server for any request. */
export const memory: Strategy = {
  name: 'memory',
  title: { en: 'Memory of one server', ko: '서버 한 대의 메모리' },
  summary: {
    en: 'Each server keeps the logins it made itself. A request that reaches another server is a stranger there.',
    ko: '서버마다 자기가 만든 로그인만 기억합니다. 다른 서버로 간 요청은 모르는 사람이 됩니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: false, survivesServerDeath: false },
  unavailable: async () => undefined,
  open: openMemory,
}

/** Each server by itself, the same server for the same visitor. */
export const sticky: Strategy = {
  name: 'sticky',
  title: { en: 'Sticky load balancing', ko: '스티키 로드 밸런싱' },
  summary: {
    en: 'The balancer sends a visitor back to the server that knows them. When that server dies, its logins die too.',
    ko: '로드 밸런서가 방문자를 늘 같은 서버로 보냅니다. 그 서버가 죽으면 그 서버의 로그인도 사라집니다.',
  },
  routing: 'sticky',
  promises: { anyServer: false, survivesServerDeath: false },
  unavailable: async () => undefined,
  open: openMemory,
}

async function openMemory({ now }: StrategyContext): Promise<OpenStore> {
  return { store: createMemoryStore({ now }), close: async () => undefined }
}
