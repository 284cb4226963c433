/**
 * F15: the stored record of a session is damaged by hand.
 *
 * @module
 */

import type { LabEvent } from '../protocol.ts'
import { createVisitor, readHandle, type Visitor } from '../traffic/visitor.ts'
import { corruptSession, getDatabaseFile } from './database-file.ts'
import { createExperiment } from './experiment.ts'

/** The experiment. */
export const corruptRecord = createExperiment({
  name: 'F15',
  title: { en: 'A damaged session record', ko: '손상된 세션 레코드' },
  promises: {
    sqlite: {
      en: 'The record is set aside, its visitor gets a new session, and no answer is 5xx.',
      ko: '레코드는 따로 보관되고, 방문자는 새 세션을 받으며, 5xx 응답은 없습니다.',
    },
  },
  async measure({ fleet, rounds, short }) {
    const file = getDatabaseFile(fleet)
    const counts = { damaged: 0, status_5xx: 0, still_known: 0, renewed: 0, cross_user: 0 }
    const notices: string[] = []
    const unsubscribe = fleet.subscribe((event: LabEvent) => {
      if (event.type === 'notice') notices.push(event.text.en)
    })
    const run = Date.now().toString(36)
    try {
      for (let round = 0; round < (rounds ?? (short ? 3 : 10)); round++) {
        const onAnswer = (answer: { readonly status: number } | undefined) => {
          if (!answer || answer.status >= 500) counts.status_5xx++
        }
        const visitor = createVisitor(() => fleet.shop, { username: `damaged-${run}-${round}`, onAnswer })
        if (!(await visitor.register())) throw new Error('Cannot register for the experiment')
        await visitor.addItem()
        if (corruptSession(file, await getHandle(visitor))) counts.damaged++
        const sights = await Promise.all(Array.from({ length: 6 }, () => visitor.me()))
        counts.still_known += sights.filter((sight) => sight === 'known').length
        counts.cross_user += sights.filter((sight) => sight === 'crossed').length
        visitor.forget()
        if ((await visitor.login()) && (await visitor.me()) === 'known') counts.renewed++
        await visitor.close()
      }
      const broken = counts.status_5xx + counts.still_known + counts.cross_user
      return {
        measured: counts,
        met: counts.damaged > 0 && counts.renewed === counts.damaged && broken === 0,
      }
    } finally {
      unsubscribe()
    }
  },
})

async function getHandle(visitor: Visitor): Promise<string> {
  const answer = await visitor.request('GET', '/me')
  const handle = readHandle(answer?.body)
  if (handle === undefined) throw new Error('Cannot damage a session that the shop does not name')
  return handle
}
