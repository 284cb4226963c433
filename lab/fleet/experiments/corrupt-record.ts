/**
 * F15: the stored record of a session is damaged by hand.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from '../traffic/browser.ts'
import { createVisitor } from '../traffic/visitor.ts'
import { arrive, askHandle } from './arrive.ts'
import { createExperiment, type ExperimentContext } from './experiment.ts'
import { canMeddle, createMeddler, type Meddler } from './meddling/meddler.ts'
import { promiseTo } from './strategy-groups.ts'

/** What may stand where session data stood: cut off, valid but nothing, not even JSON, gone. */
const damages = ['{"cart":[', 'null', 'garbage', '']

/** Requests that meet the damaged record at the same time. */
const LOOKS = 6

/** The experiment. */
export const corruptRecord = createExperiment({
  name: 'F15',
  title: { en: 'A damaged session record', ko: '손상된 세션 레코드' },
  promises: promiseTo(
    {
      shared: {
        en: 'The record is set aside and reported, its visitor gets a new session, and no answer is 5xx.',
        ko: '레코드는 따로 보관되고 알림이 뜨며, 방문자는 새 세션을 받고, 5xx 응답은 없습니다.',
      },
      lossy: {
        en: 'The record is deleted and reported, its visitor gets a new session, and no answer is 5xx.',
        ko: '레코드는 삭제되고 알림이 뜨며, 방문자는 새 세션을 받고, 5xx 응답은 없습니다.',
      },
    },
    canMeddle,
  ),
  async measure({ fleet, bound, rounds, short, log }) {
    const meddler = createMeddler(fleet)
    const counts = {
      damaged: 0,
      set_aside: 0,
      events: 0,
      still_known: 0,
      renewed: 0,
      status_5xx: 0,
      cross_user: 0,
    }
    const unsubscribe = fleet.subscribe((event) => {
      if (event.type === 'notice' && /damaged|corrupt/i.test(event.text.en)) counts.events++
    })
    try {
      for (let round = 0; round < (rounds ?? (short ? 4 : 12)); round++) {
        const damage = damages[round % damages.length] ?? ''
        log(`damaging a record: ${JSON.stringify(damage)}`)
        await meetDamage({ fleet, bound, meddler }, damage, counts)
      }
      // Servers report in batches.
      for (let wait = 0; wait < 20 && counts.events === 0; wait++) await delay(100)
    } finally {
      unsubscribe()
    }
    const { damaged, set_aside: setAside, renewed, events } = counts
    const broken = counts.status_5xx + counts.still_known + counts.cross_user
    return {
      measured: counts,
      met: events > 0 && setAside === damaged && renewed === damaged && broken === 0,
    }
  },
})

interface Damaging extends Pick<ExperimentContext, 'fleet' | 'bound'> {
  readonly meddler: Meddler
}

async function meetDamage(
  { fleet, bound, meddler }: Damaging,
  damage: string,
  counts: Record<string, number>,
): Promise<void> {
  const count = (figure: string, amount: number) => {
    counts[figure] = (counts[figure] ?? 0) + amount
  }
  const onAnswer = (answer: Answer | undefined) =>
    count('status_5xx', Number(!answer || answer.status >= 500))
  const username = `damaged-${Date.now().toString(36)}`
  const visitor = createVisitor(() => fleet.shop, { username, onAnswer })
  try {
    await arrive(visitor)
    await visitor.addItem()
    const handle = await askHandle(visitor)
    if (!(await meddler.damage(handle, damage))) return
    count('damaged', 1)
    // Until then, a server may not have heard of it.
    await delay(bound)
    const sights = await Promise.all(Array.from({ length: LOOKS }, () => visitor.me()))
    count('still_known', sights.filter((sight) => sight === 'known').length)
    count('cross_user', sights.filter((sight) => sight === 'crossed').length)
    count('set_aside', Number(await meddler.isSetAside(handle)))
    visitor.forget()
    const renewed = (await visitor.login()) && (await visitor.me()) === 'known'
    count('renewed', Number(renewed))
  } finally {
    await visitor.close()
  }
}
