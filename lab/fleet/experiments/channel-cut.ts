/**
 * F10: the connection on which a near cache is told of changes breaks, and falls silent, while the store answers.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet, LinkFault } from '../protocol.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { type Crowd, createCrowd } from './crowd.ts'
import { choosePair, countKnown, measureStaleness, type Pair } from './direct.ts'
import { createExperiment } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'

/** Longest time from a break that is told to an empty cache, in milliseconds. */
const EMPTIED = 1_000
/** Longest time from the end of the fault to hits again, in milliseconds. */
const PATIENCE = 15_000
const WATCHED = 10
const LEAVERS = 4

/** The experiment. */
export const channelCut = createExperiment({
  name: 'F10',
  title: { en: 'Cut the channel of changes', ko: '변경 알림 채널 단절' },
  promises: promiseTo(
    {
      cached: {
        en: 'Broken: the cache is empty within a second. Silent: a logout elsewhere holds within 2 s. Meanwhile every read asks the store.',
        ko: '끊기면 캐시가 1초 안에 비워집니다. 조용해지면 다른 서버의 로그아웃이 2초 안에 통합니다. 그동안 모든 읽기는 저장소에 묻습니다.',
      },
    },
    ({ hasFeed = false }) => hasFeed,
  ),
  async measure({ fleet, bound, log }) {
    const pair = choosePair(fleet)
    const [watched, early, late] = [WATCHED, LEAVERS, LEAVERS].map((size) =>
      createCrowd(() => pair.other.url, { size }),
    ) as [Crowd, Crowd, Crowd]
    const crowds = [watched, early, late]
    try {
      await Promise.all(crowds.map((crowd) => crowd.enter()))
      const { visitors } = watched
      const before = await waitForCopies(fleet, pair, visitors)

      await countKnown(early.visitors, pair.victim.url)
      log('breaking the channel')
      const severed = await cutFor(fleet, pair, { sever: true }, EMPTIED, visitors, early.visitors)
      const between = await waitForCopies(fleet, pair, visitors)

      await countKnown(late.visitors, pair.victim.url)
      log('silencing the channel')
      const silent = await cutFor(fleet, pair, {}, bound, visitors, late.visitors)
      const after = await waitForCopies(fleet, pair, visitors)

      await watched.verify()
      const { acked_lost: ackedLost, cross_user: crossUser } = watched.figures()
      const hits = Math.min(before.hits, between.hits, after.hits)
      return {
        measured: {
          hits_whole: hits,
          hits_again_ms: Math.max(between.milliseconds, after.milliseconds),
          ...severed.figures('severed'),
          ...silent.figures('silent'),
          resurrected: severed.resurrected + silent.resurrected,
          acked_lost: ackedLost,
          cross_user: crossUser,
        },
        met: hits === WATCHED && [severed, silent].every((cut) => cut.isKept) && ackedLost + crossUser === 0,
      }
    } finally {
      await Promise.all(crowds.map((crowd) => crowd.close()))
    }
  },
})

/** Cuts the channel, and looks from outside at what the server still believes, until the store is all it believes. */
async function cutFor(
  fleet: Fleet,
  pair: Pair,
  fault: LinkFault,
  within: number,
  visitors: readonly Visitor[],
  leavers: readonly Visitor[],
) {
  const { id, url } = pair.victim
  await fleet.act(id, 'cut', { ...fault, channel: 'feed' })
  const { staleness } = await measureStaleness(leavers, pair, within)
  const { revoked, stale_answers, last_stale_ms, resurrected } = staleness
  const readThrough = await countKnown(visitors, url)
  const copies = await countCopies(fleet, pair, visitors)
  await fleet.act(id, 'heal')
  return {
    resurrected,
    isKept: revoked === leavers.length && readThrough === visitors.length && copies + resurrected === 0,
    figures: (kind: string): Record<string, number> => ({
      [`${kind}_stale_answers`]: stale_answers,
      [`${kind}_last_stale_ms`]: last_stale_ms,
      [`${kind}_read_through`]: readThrough,
      [`${kind}_hits`]: copies,
    }),
  }
}

/** Takes the store away for a moment: who is known then, is known from a copy. */
async function countCopies(fleet: Fleet, { victim }: Pair, visitors: readonly Visitor[]): Promise<number> {
  await fleet.act(victim.id, 'cut', { channel: 'store' })
  const known = await countKnown(visitors, victim.url)
  await fleet.act(victim.id, 'heal', { channel: 'store' })
  return known
}

/** Lets visitors be read until all of them have a copy, at the server to be cut. */
async function waitForCopies(fleet: Fleet, pair: Pair, visitors: readonly Visitor[]) {
  const startedAt = performance.now()
  let best = { hits: 0, milliseconds: 0 }
  while (best.hits < visitors.length && performance.now() - startedAt < PATIENCE) {
    await waitUntilKnown(visitors, pair.victim.url)
    const milliseconds = Math.round(performance.now() - startedAt)
    const hits = await countCopies(fleet, pair, visitors)
    if (hits > best.hits) best = { hits, milliseconds }
  }
  await waitUntilKnown(visitors, pair.victim.url)
  return best
}

async function waitUntilKnown(visitors: readonly Visitor[], origin: string): Promise<void> {
  const until = performance.now() + PATIENCE
  while ((await countKnown(visitors, origin)) < visitors.length && performance.now() < until) await delay(50)
}
