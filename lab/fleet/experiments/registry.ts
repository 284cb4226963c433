/**
 * All experiments, in the order of the fault matrix.
 *
 * @module
 */

import { channelCut } from './channel-cut.ts'
import { corruptRecord } from './corrupt-record.ts'
import type { Experiment } from './experiment.ts'
import { keyRotation } from './key-rotation.ts'
import { loginRace } from './login-race.ts'
import { networkCut } from './network-cut.ts'
import { parallelWriters } from './parallel-writers.ts'
import { randomServer } from './random-server.ts'
import { refreshRace } from './refresh-race.ts'
import { revocationRace } from './revocation-race.ts'
import { rollingRestart } from './rolling-restart.ts'
import { serverKilled } from './server-killed.ts'
import { serverPaused } from './server-paused.ts'
import { slowStore } from './slow-store.ts'
import { storeAway } from './store-away.ts'
import { storeKilled } from './store-killed.ts'
import { storeWiped } from './store-wiped.ts'
import { zombiePrimary } from './zombie-primary.ts'

export type { Experiment, ExperimentOptions } from './experiment.ts'

/** Every experiment. */
export const experiments: readonly Experiment[] = [
  serverKilled,
  rollingRestart,
  serverPaused,
  randomServer,
  storeKilled,
  zombiePrimary,
  networkCut,
  storeAway,
  storeWiped,
  channelCut,
  parallelWriters,
  revocationRace,
  loginRace,
  corruptRecord,
  keyRotation,
  slowStore,
  refreshRace,
]

/** Finds an experiment by its name, for instance `F1`; `undefined` when there is none. */
export function findExperiment(name: string): Experiment | undefined {
  return experiments.find(({ info }) => info.name === name)
}
