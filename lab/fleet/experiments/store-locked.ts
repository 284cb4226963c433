/**
 * F8: the store refuses all writes for a while, because another process has locked its file.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { createCrowd } from './crowd.ts'
import { getDatabaseFile, lockDatabase } from './database-file.ts'
import { createExperiment } from './experiment.ts'

/** Longest time in which a refusal must be there, in milliseconds. */
const DEADLINE = 1_000

/** Longest time from the end of the fault to the first write that succeeds, in milliseconds. */
const RECOVERY = 2_000

/** The experiment. */
export const storeLocked = createExperiment({
  name: 'F8',
  title: { en: 'The store is away', ko: '저장소 사용 불가' },
  promises: {
    sqlite: {
      en: 'Writes get 503 with Retry-After within a second, all is well again within two seconds, and nothing is lost.',
      ko: '쓰기는 1초 안에 Retry-After가 있는 503을 받고, 2초 안에 정상으로 돌아오며, 아무것도 잃지 않습니다.',
    },
  },
  async measure({ fleet, seconds, short, log }) {
    const load = createCrowd(() => fleet.shop, { size: 8 })
    const writers = createCrowd(() => fleet.shop, { size: 8, timeout: 15_000 })
    try {
      await Promise.all([load.enter(), writers.enter()])
      load.start()
      log('locking the file')
      const unlock = lockDatabase(getDatabaseFile(fleet))
      let answers: readonly (Answer | undefined)[]
      try {
        answers = await writeFor(writers.visitors, (seconds ?? (short ? 4 : 10)) * 1_000)
      } finally {
        unlock()
      }
      log('unlocked')
      const recovery = await measureRecovery(writers.visitors)
      await delay(1_000)
      await load.stop()
      await Promise.all([load.verify(), writers.verify()])

      const refused = answers.filter((answer) => answer?.status === 503)
      const other = answers.filter((answer) => answer?.status !== 503)
      const unexplained = refused.filter((answer) => !answer?.retryAfter).length
      const slowest = Math.round(
        Math.max(0, ...answers.map((answer) => (answer ? answer.endedAt - answer.startedAt : 0))),
      )
      const { acked_items: items, acked_lost: lost, cross_user: crossed } = load.figures()
      const ackedLost = lost + writers.figures().acked_lost
      return {
        measured: {
          refused: refused.length,
          answered_otherwise: other.length,
          without_retry_after: unexplained,
          slowest_answer_ms: slowest,
          recovery_ms: recovery,
          acked_items: items,
          acked_lost: ackedLost,
          cross_user: crossed,
        },
        met:
          refused.length > 0 &&
          other.length + unexplained + ackedLost + crossed === 0 &&
          slowest <= DEADLINE &&
          recovery <= RECOVERY,
      }
    } finally {
      await Promise.all([load.close(), writers.close()])
    }
  },
})

/** Each visitor writes again and again. Resolves to the answers of all, `undefined`: none came. */
async function writeFor(
  visitors: readonly Visitor[],
  duration: number,
): Promise<readonly (Answer | undefined)[]> {
  const until = performance.now() + duration
  const answers: (Answer | undefined)[] = []
  await Promise.all(
    visitors.map(async (visitor) => {
      // A request that is under way when the lock ends would be answered by a healthy store.
      while (performance.now() < until - DEADLINE) {
        answers.push((await visitor.addItem()).answer)
        await delay(50)
      }
    }),
  )
  await delay(Math.max(0, until - performance.now()))
  return answers
}

/** Time until every visitor has written once, in milliseconds. */
async function measureRecovery(visitors: readonly Visitor[]): Promise<number> {
  const startedAt = performance.now()
  await Promise.all(
    visitors.map(async (visitor) => {
      while (performance.now() - startedAt < 30_000) {
        const { answer } = await visitor.addItem()
        if (answer?.status === 200) return
        await delay(20)
      }
    }),
  )
  return Math.round(performance.now() - startedAt)
}
