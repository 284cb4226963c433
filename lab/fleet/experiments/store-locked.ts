/**
 * The part of F8 for a store in a file: it refuses all writes for a while, because another process has locked it.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { createCrowd } from './crowd.ts'
import type { ExperimentContext, Measurement } from './experiment.ts'
import { getDatabaseFile, lockDatabase } from './meddling/sqlite.ts'
import { isWellTold, measureRecovery, RECOVERY, type Refusals, writeFor } from './outage.ts'

/** Locks the file for a while. */
export async function measureStoreLocked({
  fleet,
  seconds,
  short,
  log,
}: ExperimentContext): Promise<Measurement> {
  const load = createCrowd(() => fleet.shop, { size: 8 })
  const writers = createCrowd(() => fleet.shop, { size: 8, timeout: 15_000 })
  try {
    await Promise.all([load.enter(), writers.enter()])
    load.start()
    log('locking the file')
    const unlock = lockDatabase(getDatabaseFile(fleet))
    let refusals: Refusals
    try {
      refusals = await writeFor(writers.visitors, (seconds ?? (short ? 4 : 10)) * 1_000)
    } finally {
      unlock()
    }
    log('unlocked')
    const recovery = await measureRecovery(writers.visitors, performance.now())
    await delay(1_000)
    await load.stop()
    await Promise.all([load.verify(), writers.verify()])

    const { acked_items: items, acked_lost: lost, cross_user: crossed } = load.figures()
    const ackedLost = lost + writers.figures().acked_lost
    return {
      measured: {
        ...refusals,
        recovery_ms: recovery,
        acked_items: items,
        acked_lost: ackedLost,
        cross_user: crossed,
      },
      met: isWellTold(refusals) && ackedLost + crossed === 0 && recovery <= RECOVERY,
    }
  } finally {
    await Promise.all([load.close(), writers.close()])
  }
}
