/**
 * F2: every server in turn is drained and started anew, as on each deployment.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../protocol.ts'
import { createVisitor } from '../traffic/visitor.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, type Measurement, restart } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'
import { findLost } from './strangers.ts'

/** The experiment. */
export const rollingRestart = createExperiment({
  name: 'F2',
  title: { en: 'Drain and rolling restart', ko: '드레인 후 순차 재시작' },
  promises: promiseTo({
    memory: {
      en: 'Loses every login, however gently it is done.',
      ko: '아무리 조심해도 모든 로그인이 사라집니다.',
    },
    sticky: {
      en: 'Nothing is lost while a server drains; when it is restarted, its logins are lost and no others.',
      ko: '드레인 중에는 잃지 않고, 재시작하면 그 서버의 로그인만 사라집니다.',
    },
    shared: {
      en: 'Nothing is lost and no answer is 5xx.',
      ko: '아무것도 잃지 않고 5xx 응답도 없습니다.',
    },
  }),
  measure(context) {
    if (context.isShared) return measureShared(context)
    return context.strategy === 'sticky' ? measureSticky(context) : measureMemory(context)
  },
})

async function measureMemory({ fleet, log }: ExperimentContext): Promise<Measurement> {
  const crowd = createCrowd(() => fleet.shop, { size: 15 })
  try {
    await crowd.enter()
    for (const { id } of fleet.state().servers) await replace(fleet, id, log)
    const { visitors } = crowd
    const sights = await Promise.all(
      visitors.flatMap((visitor) =>
        fleet.state().servers.map(({ url }) => {
          const cookie = visitor.jar.header() ?? ''
          return visitor.me({ cookie, origin: url })
        }),
      ),
    )
    const known = sights.filter((sight) => sight === 'known').length
    const crossed = sights.filter((sight) => sight === 'crossed').length
    return {
      measured: {
        logins: visitors.length,
        known_afterwards: known,
        forced_logout: known === 0 ? 100 : 0,
        cross_user: crossed,
      },
      met: known === 0 && crossed === 0,
    }
  } finally {
    await crowd.close()
  }
}

async function measureSticky({ fleet, short, log }: ExperimentContext): Promise<Measurement> {
  const load = createCrowd(() => fleet.shop, { size: 8 })
  const counts = { lost_while_draining: 0, newcomers_on_draining: 0, lost_by_restart: 0, lost_elsewhere: 0 }
  try {
    await load.enter()
    load.start()
    for (const { id } of fleet.state().servers.slice(0, short ? 1 : undefined)) {
      const watched = createCrowd(() => fleet.shop, { size: 15 })
      await watched.enter()
      log(`draining ${id}`)
      await fleet.act(id, 'drain')
      counts.lost_while_draining += sum((await findLost(watched.visitors)).values())
      counts.newcomers_on_draining += await countNewcomers(fleet, id)
      await restart(fleet, id)
      const lost = await findLost(watched.visitors)
      counts.lost_by_restart += lost.get(id) ?? 0
      counts.lost_elsewhere += sum(lost.values()) - (lost.get(id) ?? 0)
      await watched.close()
    }
    await load.stop()
    const { cross_user: crossUser } = load.figures()
    const unexpected = counts.lost_while_draining + counts.newcomers_on_draining + counts.lost_elsewhere
    return { measured: { ...counts, cross_user: crossUser }, met: unexpected === 0 && crossUser === 0 }
  } finally {
    await load.close()
  }
}

async function measureShared({ fleet, short, log }: ExperimentContext): Promise<Measurement> {
  const crowd = createCrowd(() => fleet.shop)
  try {
    await crowd.enter()
    crowd.start()
    for (let lap = 0; lap < (short ? 1 : 3); lap++) {
      for (const { id } of fleet.state().servers) await replace(fleet, id, log)
    }
    await crowd.stop()
    await crowd.verify()
    const figures = crowd.figures()
    const { acked_lost: lost, status_5xx: errors, unanswered, cross_user: crossUser, doubled } = figures
    return { measured: { ...figures }, met: lost + errors + unanswered + crossUser + doubled === 0 }
  } finally {
    await crowd.close()
  }
}

/** Drains a server, waits for its last requests, and starts it anew. */
async function replace(fleet: Fleet, serverId: string, log: (text: string) => void): Promise<void> {
  log(`draining ${serverId}`)
  await fleet.act(serverId, 'drain')
  const deadline = performance.now() + 5_000
  while (performance.now() < deadline && isBusy(fleet, serverId)) await delay(20)
  await restart(fleet, serverId)
}

function isBusy(fleet: Fleet, serverId: string): boolean {
  return fleet.state().servers.some(({ id, active }) => id === serverId && active > 0)
}

/** Visits the shop ten times for the first time, and counts the visits that a server answers. */
async function countNewcomers(fleet: Fleet, serverId: string): Promise<number> {
  const servers = await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const newcomer = createVisitor(() => fleet.shop, { username: `newcomer-${index}` })
      const answer = await newcomer.request('GET', '/')
      await newcomer.close()
      return answer?.server
    }),
  )
  return servers.filter((server) => server === serverId).length
}

function sum(values: Iterable<number>): number {
  let total = 0
  for (const value of values) total += value
  return total
}
