/**
 * Every server holds all sessions, and a distributed log tells them of each other's changes.
 *
 * @module
 */

import { startNats } from '../../engines/nats.ts'
import { countReplication } from '../copy-costs.ts'
import { describeMissing } from '../missing-servers.ts'
import type { Strategy } from '../strategy.ts'

/** How old a copy may be that a server answers from, in milliseconds. */
const COPY_BOUND = 2_000

/** Longest time in which NATS elects another leader of the log, in milliseconds: 5 to 9 s were seen. */
const LONGEST_ELECTION = 15_000

/** Three servers of NATS, and a full copy on each server of the shop. */
export const replicated: Strategy = {
  name: 'replicated',
  title: { en: 'Session replication (clustering)', ko: '세션 복제 (클러스터링)' },
  summary: {
    en: 'Each server holds a copy of all sessions; NATS carries every change to all. Memory and traffic grow with servers.',
    ko: '서버마다 모든 세션의 사본을 갖고, 변경은 NATS가 전부에게 전합니다. 서버가 늘수록 메모리와 통신량도 늘어납니다.',
  },
  routing: 'round-robin',
  promises: {
    anyServer: true,
    survivesServerDeath: true,
    bound: COPY_BOUND,
    engineDeath: 'failover',
    takeover: LONGEST_ELECTION,
  },
  backEnd: 'nats',
  unavailable: async () => describeMissing('nats-server'),
  startEngines: (options) => startNats(options),
  open: async ({ addresses }) => {
    const { connect } = await import('@nats-io/transport-node')
    const { createNatsLog, createReplicatedStore, natsConnectionOptions } =
      await import('coatcheck/stores/replicated')
    const connection = await connect({
      servers: [...(addresses.servers ?? [])],
      ...natsConnectionOptions,
      // The servers tell their own addresses; the way past the links would be open while they are cut.
      ignoreClusterUpdates: true,
    })
    const store = createReplicatedStore(createNatsLog(connection), { bound: COPY_BOUND })
    await store.ready
    return {
      store,
      countCosts: () => countReplication(store.stats()),
      close: async () => {
        await store.close()
        await connection.close()
      },
    }
  },
}
