/**
 * The part of F5 for a store in a file: everything that has it open is killed at once, and started again.
 *
 * SQLite has no server of its own: its primary is the processes that have the file open.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { createCrowd } from './crowd.ts'
import { type ExperimentContext, heal, type Measurement } from './experiment.ts'

/** Kills all servers at once, and starts them again. */
export async function measureAllServersKilled({
  fleet,
  rounds,
  short,
  log,
}: ExperimentContext): Promise<Measurement> {
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
}
