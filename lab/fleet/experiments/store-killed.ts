/**
 * F5: the engine that takes the store's writes is killed with SIGKILL under load.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { findStrategy } from '../strategies.ts'
import { measureAllServersKilled } from './all-servers-killed.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, healEngines, type Measurement } from './experiment.ts'
import { canMeddle, createMeddler } from './meddling/meddler.ts'
import { measureNodeLost } from './node-lost.ts'
import { DEADLINE, measureRecovery, readFor } from './outage.ts'
import { promiseTo } from './strategy-groups.ts'

/** Longest time without writes while another engine takes over, in milliseconds, where a strategy says nothing else. */
const TAKEOVER = 5_000

/** How long an engine stays dead that nobody stands in for, in milliseconds: longer than any copy may be used. */
const DOWNTIME = 3_500

/** The experiment. */
export const storeKilled = createExperiment({
  name: 'F5',
  title: { en: 'Kill the store’s primary', ko: '저장소의 주 서버 강제 종료' },
  promises: {
    ...promiseTo(
      {
        shared: {
          en: 'After the restart, no acknowledged login and no acknowledged cart item is lost.',
          ko: '재시작 후, 확인된 로그인과 장바구니 상품은 하나도 사라지지 않습니다.',
        },
        cached: {
          en: 'Nothing acknowledged is lost, and while the store is dead, reads go on for 2 s at most.',
          ko: '확인된 것은 사라지지 않고, 저장소가 죽어 있는 동안 읽기는 최대 2초만 계속됩니다.',
        },
        failover: {
          en: 'Another takes over within 5 s, and nothing acknowledged is lost.',
          ko: '5초 안에 다른 서버가 이어받고, 확인된 것은 사라지지 않습니다.',
        },
        lossy: {
          en: 'Exactly the sessions of the killed node are lost; those of the other stay usable throughout.',
          ko: '죽은 노드의 세션만 사라지고, 다른 노드의 세션은 계속 쓸 수 있습니다.',
        },
      },
      canMeddle,
    ),
    replicated: {
      en: 'Another leads the log within 15 s, and nothing acknowledged is lost. Until then, reads go on for 2 s at most.',
      ko: '15초 안에 다른 서버가 로그를 이끌고, 확인된 것은 사라지지 않습니다. 그때까지 읽기는 최대 2초만 계속됩니다.',
    },
    'redis-cluster': {
      en: 'The replica takes over within 5 s. Lost is at most what it did not have at that instant: not more than ten changes.',
      ko: '5초 안에 복제본이 이어받습니다. 사라지는 것은 그 순간 복제본에 없던 것뿐이며, 많아야 열 건입니다.',
    },
  },
  measure(context) {
    const engineDeath = findStrategy(context.strategy)?.promises.engineDeath
    if (!engineDeath) return measureAllServersKilled(context)
    return engineDeath === 'loss' ? measureNodeLost(context) : measurePrimaryKilled(context)
  },
})

async function measurePrimaryKilled(context: ExperimentContext): Promise<Measurement> {
  const { fleet, strategy, bound, rounds, short, log } = context
  const meddler = createMeddler(fleet)
  const {
    engineDeath,
    unreplicated = 0,
    takeover: allowed = TAKEOVER,
  } = findStrategy(strategy)?.promises ?? {}
  const failsOver = engineDeath === 'failover'
  const crowd = createCrowd(() => fleet.shop, { size: 16 })
  const writers = createCrowd(() => fleet.shop, { size: 12 })
  const readers = createCrowd(() => fleet.shop, { size: 4 })
  const reads = { before: 0, meanwhile: 0, last: 0 }
  let takeover = 0
  let recovery = 0
  let kills = 0
  try {
    await Promise.all([crowd.enter(), writers.enter(), readers.enter()])
    crowd.start()
    for (; kills < (rounds ?? (short ? 1 : 3)); kills++) {
      await delay(1_000 + Math.random() * 500)
      // Every server has copies of what is read, where it has any.
      reads.before += (await readFor(readers.visitors, 300)).length
      const victim = pick(await meddler.primaries())
      log(`killing ${victim}`)
      await fleet.actOnEngine(victim, 'kill')
      const killedAt = performance.now()
      const reading = readFor(readers.visitors, DOWNTIME)
      if (failsOver) takeover = Math.max(takeover, await measureRecovery(writers.visitors, killedAt))
      // Once another takes writes, it is asked again. A look may get there a little before a write.
      const isDead = (startedAt: number) => !failsOver || startedAt < killedAt + takeover - DEADLINE
      const known = (await reading).filter(isDead)
      reads.meanwhile += known.length
      reads.last = Math.max(reads.last, ...known.map((startedAt) => Math.round(startedAt - killedAt)))
      log(`starting ${victim}`)
      await healEngines(fleet)
      recovery = Math.max(recovery, await measureRecovery(writers.visitors, performance.now()))
    }
    await delay(1_000)
    await crowd.stop()
    await Promise.all([crowd.verify(), writers.verify()])
    const figures = crowd.figures()
    const ackedLost = figures.acked_lost + writers.figures().acked_lost
    const crossed = figures.cross_user + writers.figures().cross_user
    return {
      measured: {
        kills,
        ...figures,
        acked_lost: ackedLost,
        cross_user: crossed,
        ...(failsOver && { unavail_ms: takeover }),
        recovery_ms: recovery,
        ...(bound > 0 && { reads_meanwhile: reads.meanwhile, last_read_ms: reads.last }),
      },
      met:
        ackedLost <= kills * unreplicated &&
        crossed + figures.doubled === 0 &&
        (!failsOver || takeover <= allowed) &&
        (bound === 0 || (reads.before > 0 && reads.last <= bound)),
    }
  } finally {
    await Promise.all([crowd.close(), writers.close(), readers.close()])
  }
}

function pick(names: readonly string[]): string {
  const name = names[Math.floor(Math.random() * names.length)]
  if (name === undefined) throw new Error('Cannot find the primary of the store')
  return name
}
