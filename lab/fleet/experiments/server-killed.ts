/**
 * F1: one of three servers is killed with SIGKILL while visitors shop.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { findStrategy } from '../strategies.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, type Measurement, restart } from './experiment.ts'
import { isStateless, promiseTo } from './strategy-groups.ts'
import { countStrangers, findLost, isAboutTwoThirds, toPercent } from './strangers.ts'

const nothingLost = {
  en: 'No acknowledged login and no acknowledged cart item is lost.',
  ko: '확인된 로그인과 장바구니 상품은 하나도 사라지지 않습니다.',
}

/** The experiment. */
export const serverKilled = createExperiment({
  name: 'F1',
  title: { en: 'Kill one server under load', ko: '부하 중에 서버 하나 강제 종료' },
  promises: {
    ...promiseTo({
      memory: {
        en: 'About two thirds of requests are strangers before anything is killed: that is the lesson.',
        ko: '아무것도 죽이지 않아도 요청의 약 2/3가 모르는 사람이 됩니다. 이것이 바로 문제입니다.',
      },
      sticky: {
        en: 'Exactly the killed server’s logins are lost; all others stay.',
        ko: '죽은 서버의 로그인만 사라지고 나머지는 모두 유지됩니다.',
      },
      shared: nothingLost,
    }),
    token: nothingLost,
    sealed: nothingLost,
  },
  measure(context) {
    if (context.isShared) return measureShared(context)
    return context.strategy === 'sticky' ? measureSticky(context) : measureMemory(context)
  },
})

async function measureMemory({ fleet, log }: ExperimentContext): Promise<Measurement> {
  const crowd = createCrowd(() => fleet.shop, { size: 30 })
  try {
    await crowd.enter()
    log('every visitor sends its login’s cookie six times')
    const before = await countStrangers(crowd.visitors, 6)
    await restart(fleet, pick(fleet.state().servers).id)
    const after = await countStrangers(crowd.visitors, 6)
    return {
      measured: {
        strangers_percent: toPercent(before),
        strangers_percent_after_kill: toPercent(after),
        cross_user: before.crossed + after.crossed,
      },
      met: isAboutTwoThirds(toPercent(before)) && before.crossed + after.crossed === 0,
    }
  } finally {
    await crowd.close()
  }
}

async function measureSticky({ fleet, log }: ExperimentContext): Promise<Measurement> {
  const watched = createCrowd(() => fleet.shop, { size: 30 })
  const load = createCrowd(() => fleet.shop, { size: 8 })
  try {
    await Promise.all([watched.enter(), load.enter()])
    load.start()
    const victim = pick(fleet.state().servers).id
    const victims = watched.visitors.filter(({ loginServer }) => loginServer === victim).length
    log(`killing ${victim}, which holds ${victims} of ${watched.visitors.length} logins`)
    await fleet.act(victim, 'kill')
    const lost = await findLost(watched.visitors)
    await load.stop()
    const lostOnKilled = lost.get(victim) ?? 0
    const lostElsewhere = [...lost.values()].reduce((sum, count) => sum + count, 0) - lostOnKilled
    const { cross_user: crossUser } = load.figures()
    return {
      measured: {
        logins: watched.visitors.length,
        logins_on_killed: victims,
        lost_on_killed: lostOnKilled,
        lost_elsewhere: lostElsewhere,
        forced_logout: Math.round(((lostOnKilled + lostElsewhere) / watched.visitors.length) * 100),
        cross_user: crossUser,
      },
      met: victims > 0 && lostOnKilled === victims && lostElsewhere === 0 && crossUser === 0,
    }
  } finally {
    await Promise.all([watched.close(), load.close()])
  }
}

async function measureShared(context: ExperimentContext): Promise<Measurement> {
  const { fleet, strategy, seconds, short, log } = context
  const { credentials } = findStrategy(strategy) ?? {}
  const crowd = createCrowd(() => fleet.shop, {
    credentials,
    ...(isStateless(strategy) && { cartLimit: 60 }),
  })
  const until = Date.now() + (seconds ?? (short ? 8 : 30)) * 1_000
  let kills = 0
  try {
    await crowd.enter()
    crowd.start()
    while (Date.now() < until) {
      await delay(300 + Math.random() * 700)
      const { id } = pick(fleet.state().servers)
      log(`killing ${id}`)
      await fleet.act(id, 'kill')
      kills++
      await delay(Math.random() * 1_000)
      await fleet.act(id, 'start')
    }
    await crowd.stop()
    await crowd.verify()
    const figures = crowd.figures()
    return {
      measured: { kills, ...figures },
      met: figures.acked_lost === 0 && figures.cross_user === 0 && figures.doubled === 0,
    }
  } finally {
    await crowd.close()
  }
}

function pick<T>(values: readonly T[]): T {
  return values[Math.floor(Math.random() * values.length)] as T
}
