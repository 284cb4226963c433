/**
 * F9: everything in the store is gone from one moment to the next, while people read.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../protocol.ts'
import type { Answer } from '../traffic/browser.ts'
import { createVisitor, readCart, type Visitor } from '../traffic/visitor.ts'
import { arrive, askHandle, logInAgain } from './arrive.ts'
import { createExperiment } from './experiment.ts'
import { canMeddle, createMeddler, type Meddler } from './meddling/meddler.ts'
import { measureRecovery } from './outage.ts'
import { promiseTo } from './strategy-groups.ts'

const VISITORS = 16

/** How long people go on reading after the store was wiped and no copy may be used any more, in milliseconds. */
const AFTERMATH = 500

/** Longest time until every visitor has written in a place that had to be made anew, in milliseconds. */
const REMAKING = 10_000

/** The experiment. */
export const storeWiped = createExperiment({
  name: 'F9',
  title: { en: 'The store is wiped', ko: '저장소 전체 삭제' },
  promises: {
    ...promiseTo(
      {
        shared: {
          en: 'Everybody is logged out, no answer is 5xx, no old id is adopted, and new logins work.',
          ko: '모두 로그아웃되고, 5xx 응답이 없으며, 옛 ID를 그대로 쓰지 않고, 새 로그인은 됩니다.',
        },
        cached: {
          en: 'Everybody is logged out within 2 s, no copy fills the store again, no answer is 5xx, and new logins work.',
          ko: '2초 안에 모두 로그아웃되고, 사본이 저장소를 다시 채우지 않으며, 5xx 응답이 없고, 새 로그인은 됩니다.',
        },
      },
      canMeddle,
    ),
    replicated: {
      en: 'Emptied: everybody is logged out within 2 s, no copy fills the log again, no answer is 5xx, new logins work. Deleted: the same, with 503 for at most 10 s until there is a new log.',
      ko: '비워지면: 2초 안에 모두 로그아웃되고, 사본이 로그를 다시 채우지 않으며, 5xx 없이 새 로그인이 됩니다. 삭제되면: 새 로그가 생길 때까지 길어야 10초 동안만 503입니다.',
    },
  },
  async measure({ fleet, bound, log }) {
    const meddler = createMeddler(fleet)
    const counts = { status_5xx: 0, unanswered: 0 }
    const onAnswer = (answer: Answer | undefined) => {
      if (!answer) counts.unanswered++
      else if (answer.status >= 500) counts.status_5xx++
    }
    const run = Date.now().toString(36)
    const visitors = Array.from({ length: VISITORS }, (_, index) =>
      createVisitor(() => fleet.shop, { username: `wiped-${run}-${index}`, onAnswer }),
    )
    try {
      const handles = await Promise.all(visitors.map(settle))
      const before = (await meddler.find(handles)).size
      const cookies = new Map(visitors.map((visitor) => [visitor, visitor.jar.header() ?? '']))
      await lookEverywhere(fleet, cookies)
      Object.assign(counts, { status_5xx: 0, unanswered: 0 })

      const reading = readOn(fleet, cookies, bound + AFTERMATH)
      await delay(AFTERMATH)
      log('wiping the store')
      await meddler.wipe()
      const wipedAt = performance.now()
      await delay(bound)
      const sights = await lookEverywhere(fleet, cookies)
      const writes = await Promise.all([...cookies.keys()].map(writeAsBefore))
      await reading
      await delay(Math.max(0, wipedAt + bound + AFTERMATH - performance.now()))

      const refilled = (await meddler.find(handles)).size
      await Promise.all(visitors.map(logInAgain))
      const renewed = await Promise.all(visitors.map((visitor) => visitor.me()))
      const wiped = {
        sessions: before,
        still_known: count(sights, 'known'),
        adopted: count(writes, 'adopted'),
        carts_kept: count(writes, 'cart kept'),
        refilled,
        renewed: count(renewed, 'known'),
        cross_user: count(sights, 'crossed') + count(renewed, 'crossed'),
        ...counts,
      }
      const broken = wiped.still_known + wiped.adopted + wiped.carts_kept + refilled
      const isWipeMet =
        before === VISITORS &&
        wiped.renewed === VISITORS &&
        broken + wiped.cross_user + counts.status_5xx + counts.unanswered === 0
      if (!meddler.destroy) return { measured: wiped, met: isWipeMet }

      log('deleting the place of the store')
      const deleted = await measureDestruction(fleet, meddler, visitors, bound)
      const isLost =
        deleted.deleted_known + deleted.deleted_refilled + deleted.crashed === 0 &&
        deleted.deleted_renewed === VISITORS &&
        deleted.recovery_ms <= REMAKING
      return { measured: { ...wiped, ...deleted }, met: isWipeMet && isLost }
    } finally {
      await Promise.all(visitors.map((visitor) => visitor.close()))
    }
  },
})

/** Removes even the place where sessions are, under the same visitors. */
async function measureDestruction(
  fleet: Fleet,
  meddler: Meddler,
  visitors: readonly Visitor[],
  bound: number,
) {
  const pids = new Set(fleet.state().servers.map(({ pid }) => pid))
  const cookies = new Map(visitors.map((visitor) => [visitor, visitor.jar.header() ?? '']))
  const handles = await Promise.all(visitors.map(askHandle))
  await meddler.destroy?.()
  const destroyedAt = performance.now()
  const recovery = await measureRecovery(visitors, destroyedAt)
  await delay(Math.max(0, destroyedAt + bound - performance.now()))
  const sights = await lookEverywhere(fleet, cookies)
  const refilled = (await meddler.find(handles)).size
  await Promise.all(visitors.map(logInAgain))
  const renewed = await Promise.all(visitors.map((visitor) => visitor.me()))
  return {
    recovery_ms: recovery,
    deleted_known: count(sights, 'known'),
    deleted_refilled: refilled,
    deleted_renewed: count(renewed, 'known'),
    crashed: fleet.state().servers.filter(({ pid }) => !pids.has(pid)).length,
  }
}

/** Logs in and puts something into the cart. Resolves to the session's handle. */
async function settle(visitor: Visitor): Promise<string> {
  await arrive(visitor)
  await visitor.addItem()
  return askHandle(visitor)
}

/** Shows every cookie to every server, where it may leave a copy of its session. */
async function lookEverywhere(fleet: Fleet, cookies: ReadonlyMap<Visitor, string>) {
  const { servers } = fleet.state()
  return Promise.all(
    [...cookies].flatMap(([visitor, cookie]) =>
      servers.map(({ url }) => visitor.me({ cookie, origin: url })),
    ),
  )
}

/** Reads with all cookies without pause, before the fault and beyond it. */
async function readOn(fleet: Fleet, cookies: ReadonlyMap<Visitor, string>, duration: number): Promise<void> {
  const until = performance.now() + AFTERMATH + duration
  while (performance.now() < until) await lookEverywhere(fleet, cookies)
}

/** Puts something into the cart with the cookie from before: that must begin a new session, with nothing else in it. */
async function writeAsBefore(visitor: Visitor): Promise<'adopted' | 'cart kept' | 'new' | 'refused'> {
  const cookie = visitor.jar.header()
  const { answer } = await visitor.addItem()
  if (answer?.status !== 200) return 'refused'
  if ((readCart(answer.body)?.length ?? 0) > 1) return 'cart kept'
  return visitor.jar.header() === cookie ? 'adopted' : 'new'
}

function count<Value>(values: readonly Value[], wanted: Value): number {
  return values.filter((value) => value === wanted).length
}
