/**
 * F18: every answer of the store comes half a second later, at all servers, under more load than it can take then.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet, LinkAction } from '../protocol.ts'
import type { Answer } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { createCrowd } from './crowd.ts'
import { measureRecovery } from './direct.ts'
import { createExperiment } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'

/** How much later an answer comes, in milliseconds: as long as the servers wait for it. */
const DELAY = 500
/** Longest time in which every answer must be there, in milliseconds. */
const DEADLINE = 1_000
/** Longest time from the end of the fault to the first write of everybody that succeeds, in milliseconds. */
const RECOVERY = 2_000
const VISITORS = 40

/** The experiment. */
export const slowStore = createExperiment({
  name: 'F18',
  title: { en: 'The store is half a second slower', ko: '저장소 응답 0.5초 지연' },
  promises: promiseTo(
    {
      shared: {
        en: 'Every answer comes within a second; what the store cannot do in time gets 503. Nothing is lost, and all is well in 2 s.',
        ko: '모든 응답은 1초 안에 옵니다. 저장소가 제때 처리하지 못한 요청은 503입니다. 잃는 것 없이 2초 안에 정상으로 돌아옵니다.',
      },
    },
    (strategy) => strategy.startEngines !== undefined,
  ),
  async measure({ fleet, seconds, short, log }) {
    const crowd = createCrowd(() => fleet.shop, { size: VISITORS, timeout: 15_000 })
    try {
      await crowd.enter()
      await Promise.all(crowd.visitors.map((visitor) => visitor.addItem()))
      log(`slowing the store down by ${DELAY} ms`)
      await actOnAll(fleet, 'slow')
      const answers = await askFor(crowd.visitors, (seconds ?? (short ? 5 : 15)) * 1_000)
      await actOnAll(fleet, 'heal')
      log('healed')
      const recovery = await measureRecovery(crowd.visitors, fleet.shop)
      await crowd.verify()

      const refused = answers.filter((answer) => answer?.status === 503)
      const succeeded = answers.filter((answer) => answer && answer.status < 300).length
      const slowest = Math.max(
        0,
        ...answers.map((answer) => (answer ? answer.endedAt - answer.startedAt : 0)),
      )
      const otherwise = answers.length - refused.length - succeeded
      const unexplained = refused.filter((answer) => !answer?.retryAfter).length
      const { acked_lost: ackedLost, cross_user: crossUser } = crowd.figures()
      return {
        measured: {
          requests: answers.length,
          succeeded,
          refused: refused.length,
          answered_otherwise: otherwise,
          without_retry_after: unexplained,
          slowest_answer_ms: Math.round(slowest),
          recovery_ms: recovery,
          acked_lost: ackedLost,
          cross_user: crossUser,
        },
        met:
          refused.length > 0 &&
          otherwise + unexplained + ackedLost + crossUser === 0 &&
          slowest <= DEADLINE &&
          recovery <= RECOVERY,
      }
    } finally {
      await crowd.close()
    }
  },
})

async function actOnAll(fleet: Fleet, action: LinkAction): Promise<void> {
  await Promise.all(fleet.state().servers.map(({ id }) => fleet.act(id, action, { milliseconds: DELAY })))
}

/** Every visitor reads and writes in turn. Resolves to the answers, `undefined`: none came. */
async function askFor(
  visitors: readonly Visitor[],
  duration: number,
): Promise<readonly (Answer | undefined)[]> {
  const until = performance.now() + duration - DEADLINE
  const answers: (Answer | undefined)[] = []
  await Promise.all(
    visitors.map(async (visitor) => {
      for (let reads = true; performance.now() < until; reads = !reads) {
        answers.push(reads ? await visitor.request('GET', '/me') : (await visitor.addItem()).answer)
        await delay(50)
      }
    }),
  )
  return answers
}
