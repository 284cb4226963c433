/**
 * F7: the network between one server and the store falls silent, and nobody is told.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { LabText } from '../protocol.ts'
import type { Answer } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { createCrowd } from './crowd.ts'
import { choosePair, countKnown, measureRecovery, measureStaleness } from './direct.ts'
import { createExperiment } from './experiment.ts'
import { findReturned } from './leavers.ts'
import { promiseTo } from './strategy-groups.ts'

/** Longest time in which a refusal must be there, in milliseconds. */
const DEADLINE = 1_000
/** Longest time from the end of the fault to the first write of everybody that succeeds, in milliseconds. */
const RECOVERY = 2_000

const shared: LabText = {
  en: 'It answers 503 with Retry-After of 1 s within a second; the others notice nothing, nothing is lost, and it is back in 2 s.',
  ko: '그 서버는 1초 안에 Retry-After 1초인 503으로 답합니다. 다른 서버는 영향이 없고, 잃는 것 없이 2초 안에 돌아옵니다.',
}
const cached: LabText = {
  en: 'It answers from its copies for at most 2 s, then 503; a logout elsewhere holds there within 2 s. Nothing is lost, and it is back in 2 s.',
  ko: '그 서버는 길어야 2초 동안 사본으로 답하고 그 뒤로는 503입니다. 다른 서버의 로그아웃은 2초 안에 통하고, 잃는 것 없이 2초 안에 돌아옵니다.',
}

/** The experiment. */
export const networkCut = createExperiment({
  name: 'F7',
  title: { en: 'Cut one server off from the store', ko: '서버 한 대와 저장소 사이의 네트워크 단절' },
  promises: {
    ...promiseTo({ shared, cached }, (strategy) => strategy.startEngines !== undefined),
    replicated: cached,
  },
  async measure({ fleet, bound, seconds, short, log }) {
    const pair = choosePair(fleet)
    const { victim, other } = pair
    const elsewhere = createCrowd(() => other.url, { size: 12 })
    const watched = createCrowd(() => other.url, { size: 10 })
    const leavers = createCrowd(() => other.url, { size: 4 })
    const crowds = [elsewhere, watched, leavers]
    try {
      await Promise.all(crowds.map((crowd) => crowd.enter()))
      await Promise.all(watched.visitors.map((visitor) => visitor.addItem()))
      await countKnown([...watched.visitors, ...leavers.visitors], victim.url)
      elsewhere.start()

      log(`cutting ${victim.id} off`)
      await fleet.act(victim.id, 'cut')
      const cutAt = performance.now()
      const [answers, { staleness, ended }] = await Promise.all([
        askFor(watched.visitors, victim.url, (seconds ?? (short ? 5 : 10)) * 1_000),
        measureStaleness(leavers.visitors, pair, bound),
      ])
      await fleet.act(victim.id, 'heal')
      log(`healed ${victim.id}`)
      const recovery = await measureRecovery(watched.visitors, victim.url)

      await elsewhere.stop()
      await Promise.all([elsewhere.verify(), watched.verify()])
      const returned = await findReturned(fleet, ended)
      const seen = judge(answers, cutAt, bound)
      const around = elsewhere.figures()
      const ackedLost = around.acked_lost + watched.figures().acked_lost
      const crossUser = around.cross_user + watched.figures().cross_user
      const resurrected = staleness.resurrected + returned.size
      return {
        measured: {
          ...seen,
          ...staleness,
          resurrected,
          requests_elsewhere: around.requests,
          refused_elsewhere: around.status_5xx + around.unanswered,
          unavail_elsewhere_ms: around.unavail_ms,
          acked_items: around.acked_items,
          acked_lost: ackedLost,
          cross_user: crossUser,
          recovery_ms: recovery,
        },
        met:
          seen.refused > 0 &&
          staleness.revoked === leavers.visitors.length &&
          (bound === 0 || seen.served_from_copy > 0) &&
          seen.answered_otherwise + seen.without_retry_after + resurrected === 0 &&
          around.status_5xx + around.unanswered + ackedLost + crossUser === 0 &&
          seen.slowest_refusal_ms <= DEADLINE &&
          recovery <= RECOVERY,
      }
    } finally {
      await Promise.all(crowds.map((crowd) => crowd.close()))
    }
  },
})

interface Question {
  readonly reads: boolean
  readonly answer: Answer | undefined
}

/** Each visitor reads and writes in turn, for a while. */
async function askFor(
  visitors: readonly Visitor[],
  origin: string,
  duration: number,
): Promise<readonly Question[]> {
  const until = performance.now() + duration - DEADLINE
  const questions: Question[] = []
  await Promise.all(
    visitors.map(async (visitor) => {
      for (let reads = true; performance.now() < until; reads = !reads) {
        const answer = reads
          ? await visitor.request('GET', '/me', { origin })
          : (await visitor.addItem({ origin })).answer
        questions.push({ reads, answer })
        await delay(30)
      }
    }),
  )
  // A request that is under way when the network is healed would be answered by a whole one.
  await delay(Math.max(0, until + DEADLINE - performance.now()))
  return questions
}

/** Nothing but a read may succeed, and it only while a copy may be believed. */
function judge(questions: readonly Question[], cutAt: number, bound: number) {
  const counts = {
    refused: 0,
    served_from_copy: 0,
    answered_otherwise: 0,
    without_retry_after: 0,
    slowest_refusal_ms: 0,
    last_copy_ms: 0,
  }
  for (const { reads, answer } of questions) {
    const age = answer ? answer.startedAt - cutAt : Infinity
    if (answer?.status === 503) {
      counts.refused++
      counts.without_retry_after += Number(answer.retryAfter !== '1')
      const elapsed = Math.round(answer.endedAt - answer.startedAt)
      counts.slowest_refusal_ms = Math.max(counts.slowest_refusal_ms, elapsed)
    } else if (answer?.status === 200 && reads && age <= bound) {
      counts.served_from_copy++
      counts.last_copy_ms = Math.max(counts.last_copy_ms, Math.round(age))
    } else counts.answered_otherwise++
  }
  return counts
}
