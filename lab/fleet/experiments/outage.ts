/**
 * What clients see of a store that gives no answer, and how soon they see that it is back.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import type { Meddler } from './meddling/meddler.ts'

/** Longest time in which a refusal must be there, in milliseconds. */
export const DEADLINE = 1_000

/** Longest time from the end of an outage until every visitor has written, in milliseconds. */
export const RECOVERY = 2_000

/** What writers saw of an outage. */
export interface Refusals {
  /** Answers with 503. */
  readonly refused: number
  /** Other answers, and requests without any. */
  readonly answered_otherwise: number
  /** Answers with 503 that do not say when to come back. */
  readonly without_retry_after: number
  readonly slowest_answer_ms: number
}

/** Each visitor writes again and again. Resolves to how they were answered. */
export async function writeFor(visitors: readonly Visitor[], duration: number): Promise<Refusals> {
  const until = performance.now() + duration
  const answers: (Answer | undefined)[] = []
  await Promise.all(
    visitors.map(async (visitor) => {
      // A request that is under way when the outage ends would be answered by a healthy store.
      while (performance.now() < until - DEADLINE) {
        answers.push((await visitor.addItem()).answer)
        await delay(50)
      }
    }),
  )
  await delay(Math.max(0, until - performance.now()))
  const refused = answers.filter((answer) => answer?.status === 503)
  return {
    refused: refused.length,
    answered_otherwise: answers.length - refused.length,
    without_retry_after: refused.filter((answer) => !answer?.retryAfter).length,
    slowest_answer_ms: Math.round(
      Math.max(0, ...answers.map((answer) => (answer ? answer.endedAt - answer.startedAt : 0))),
    ),
  }
}

/** Each visitor looks again and again. Resolves to the instants at which those looks began that were recognized. */
export async function readFor(visitors: readonly Visitor[], duration: number): Promise<readonly number[]> {
  const until = performance.now() + duration
  const known: number[] = []
  await Promise.all(
    visitors.map(async (visitor) => {
      while (performance.now() < until) {
        const startedAt = performance.now()
        if ((await visitor.me()) === 'known') known.push(startedAt)
        await delay(10)
      }
    }),
  )
  return known
}

/** Whether an outage was told as it should be: with 503, `Retry-After`, in time, and not just to nobody. */
export function isWellTold(refusals: Refusals): boolean {
  return (
    refusals.refused > 0 &&
    refusals.answered_otherwise + refusals.without_retry_after === 0 &&
    refusals.slowest_answer_ms <= DEADLINE
  )
}

/**
 * Time from an instant until every visitor has written once, in milliseconds.
 *
 * Who has lost the login writes as a stranger: that counts, too.
 */
export async function measureRecovery(visitors: readonly Visitor[], since: number): Promise<number> {
  const recovered = await Promise.all(
    visitors.map(async (visitor) => {
      while (performance.now() - since < 30_000) {
        const { answer } = await visitor.addItem()
        if (answer?.status === 200) return answer.endedAt
        await delay(20)
      }
      return performance.now()
    }),
  )
  return Math.round(Math.max(...recovered) - since)
}

/** Commands per second at the store for a while; `undefined` when nobody counts them. */
export async function measureLoad(meddler: Meddler, duration: number): Promise<number | undefined> {
  const before = await meddler.countCommands()
  const startedAt = performance.now()
  await delay(duration)
  const after = await meddler.countCommands()
  if (before === undefined || after === undefined) return undefined
  return Math.round(((after - before) * 1_000) / (performance.now() - startedAt))
}
