/**
 * F5: everything that holds the store is killed at once, and started again.
 *
 * SQLite has no server of its own: its primary is the processes that have the file open.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { createCrowd } from './crowd.ts'
import { createExperiment, heal } from './experiment.ts'

/** The experiment. */
export const allServersKilled = createExperiment({
  name: 'F5',
  title: { en: 'Kill everything that holds the store', ko: '저장소를 열고 있는 모든 프로세스 강제 종료' },
  promises: {
    sqlite: {
      en: 'After the restart, no acknowledged login and no acknowledged cart item is lost.',
      ko: '재시작 후, 확인된 로그인과 장바구니 상품은 하나도 사라지지 않습니다.',
    },
  },
  async measure({ fleet, rounds, short, log }) {
    const crowd = createCrowd(() => fleet.shop)
    try {
      await crowd.enter()
      crowd.start()
      for (let round = 0; round < (rounds ?? (short ? 1 : 3)); round++) {
        await delay(1_000 + Math.random() * 500)
        log('killing all servers')
        await Promise.all(fleet.state().servers.map(({ id }) => fleet.act(id, 'kill')))
        await delay(500)
        await heal(fleet)
      }
      await delay(500)
      await crowd.stop()
      await crowd.verify()
      const figures = crowd.figures()
      return {
        measured: { ...figures },
        met: figures.acked_lost === 0 && figures.cross_user === 0 && figures.doubled === 0,
      }
    } finally {
      await crowd.close()
    }
  },
})
