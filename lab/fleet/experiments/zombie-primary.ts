/**
 * F6: the store's primary stands still until another has taken over, and wakes believing that it still is the primary.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { createCrowd } from './crowd.ts'
import { createExperiment } from './experiment.ts'
import { findReturned, leave } from './leavers.ts'
import { createMeddler } from './meddling/meddler.ts'
import { measureRecovery } from './outage.ts'

/** How long clients are watched after the old primary has woken, in milliseconds. */
const AFTERMATH = 3_000

/** The experiment. */
export const zombiePrimary = createExperiment({
  name: 'F6',
  title: { en: 'A primary wakes after its successor', ko: '후임이 정해진 뒤 깨어난 주 서버' },
  promises: {
    'redis-sentinel': {
      en: 'With WAIT 1, nothing that was acknowledged is lost and no logout is undone.',
      ko: 'WAIT 1이면 확인된 것은 사라지지 않고, 로그아웃도 되돌아가지 않습니다.',
    },
  },
  async measure({ fleet, rounds, seconds = 7, short, log }) {
    const meddler = createMeddler(fleet)
    const load = createCrowd(() => fleet.shop, { size: 16 })
    const writers = createCrowd(() => fleet.shop, { size: 8 })
    const counts = { zombies: 0, takeovers: 0, revoked: 0, resurrected: 0, takeover_ms: 0 }
    try {
      await Promise.all([load.enter(), writers.enter()])
      load.start()
      for (; counts.zombies < (rounds ?? (short ? 1 : 3)); counts.zombies++) {
        const leaving = createCrowd(() => fleet.shop, { size: 8 })
        await leaving.enter()
        await delay(500)
        const [primary] = await meddler.primaries()
        if (primary === undefined) throw new Error('Cannot find the primary of the store')
        log(`pausing ${primary}`)
        await fleet.actOnEngine(primary, 'pause')
        const pausedAt = performance.now()
        counts.takeover_ms = Math.max(counts.takeover_ms, await measureRecovery(writers.visitors, pausedAt))
        const leavers = await leave(leaving.visitors)
        counts.revoked += leavers.size
        await delay(Math.max(0, pausedAt + seconds * 1_000 - performance.now()))
        // Without a successor, it is no zombie when it wakes. The sentinel that led the takeover tells of it last.
        counts.takeovers += Number(!(await meddler.primaries()).includes(primary))
        log(`resuming ${primary}`)
        await fleet.actOnEngine(primary, 'resume')
        for (const until = performance.now() + AFTERMATH; performance.now() < until;) {
          counts.resurrected += (await findReturned(fleet, leavers)).size
        }
        await leaving.close()
      }
      await load.stop()
      await Promise.all([load.verify(), writers.verify()])
      const figures = load.figures()
      const ackedLost = figures.acked_lost + writers.figures().acked_lost
      const crossed = figures.cross_user + writers.figures().cross_user
      return {
        measured: { ...figures, ...counts, acked_lost: ackedLost, cross_user: crossed },
        met:
          counts.takeovers === counts.zombies &&
          counts.revoked > 0 &&
          ackedLost + crossed + counts.resurrected + figures.doubled === 0,
      }
    } finally {
      await Promise.all([load.close(), writers.close()])
    }
  },
})
