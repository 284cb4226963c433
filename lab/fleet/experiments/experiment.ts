/**
 * What every experiment of the fault matrix has in common: where it makes sense, its promise, and a fleet left whole.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { LabError } from '../lab-error.ts'
import type { ExperimentInfo, ExperimentResult, Fleet, LabText } from '../protocol.ts'
import { findStrategy } from '../strategies.ts'

/** Options of {@link Experiment.run}. */
export interface ExperimentOptions {
  /** Repetitions, where an experiment counts in rounds. Each experiment has its own default. */
  readonly rounds?: number
  /** Length of the fault or of the load, where an experiment is measured by time. Each experiment has its own default. */
  readonly seconds?: number
  /**
   * Fewer rounds and shorter faults, for a quick look.
   *
   * @default false
   */
  readonly short?: boolean
  /** Called with what is happening, for people. */
  readonly log?: (text: string) => void
}

/** An executable row of the fault matrix. */
export interface Experiment {
  readonly info: ExperimentInfo
  /** Strategies on which it makes sense. */
  readonly strategies: readonly string[]
  /**
   * Puts the running fleet under a fault and measures what an independent client sees of it.
   *
   * However it ends, servers and engines that it killed or paused are running again.
   *
   * @throws {LabError} `ERR_CONFLICT` when it makes no sense on the fleet's strategy; the message names those that fit.
   */
  run(fleet: Fleet, options?: ExperimentOptions): Promise<ExperimentResult>
}

/** What an experiment is given to work with. */
export interface ExperimentContext {
  readonly fleet: Fleet
  readonly strategy: string
  /** Whether any server knows any session. */
  readonly isShared: boolean
  /** How long an answer may lag behind a change, in milliseconds; 0 when it may not. */
  readonly bound: number
  readonly rounds: number | undefined
  readonly seconds: number | undefined
  readonly short: boolean
  readonly log: (text: string) => void
}

/** What an experiment found. */
export interface Measurement {
  readonly measured: ExperimentResult['measured']
  readonly met: boolean
}

/** An experiment to be. */
export interface ExperimentDefinition {
  readonly name: string
  readonly title: LabText
  /** What is promised, by strategy. The experiment refuses all others. */
  readonly promises: Readonly<Record<string, LabText>>
  readonly measure: (context: ExperimentContext) => Promise<Measurement>
}

/** Creates an experiment that checks its strategy first, and leaves the fleet as it found it. */
export function createExperiment({ name, title, promises, measure }: ExperimentDefinition): Experiment {
  const strategies = Object.keys(promises)

  return {
    info: { name, title },
    strategies,
    async run(fleet, { rounds, seconds, short = false, log = () => {} } = {}) {
      const { strategy } = fleet
      const promise = promises[strategy]
      if (!promise) {
        throw new LabError(
          'ERR_CONFLICT',
          `Cannot run ${name} on ${strategy}: it runs on ${strategies.join(', ')}`,
        )
      }
      const { anyServer = false, bound = 0 } = findStrategy(strategy)?.promises ?? {}
      const startedAt = performance.now()
      try {
        await heal(fleet)
        const { measured, met } = await measure({
          fleet,
          strategy,
          isShared: anyServer,
          bound,
          rounds,
          seconds,
          short,
          log,
        })
        const milliseconds = Math.round(performance.now() - startedAt)
        return { experiment: name, strategy, promise, measured, met, milliseconds }
      } finally {
        await heal(fleet)
      }
    },
  }
}

/** Heals every network, resumes what is paused and starts what is stopped, until every engine and every server is ready. */
export async function heal(fleet: Fleet): Promise<void> {
  await healLinks(fleet)
  await healEngines(fleet)
  for (const { id, status } of fleet.state().servers) {
    if (status === 'paused') await fleet.act(id, 'resume')
    if (status === 'stopped') await fleet.act(id, 'start')
    if (status === 'draining') await restart(fleet, id)
  }
}

/** Makes the network of every server whole. */
async function healLinks(fleet: Fleet): Promise<void> {
  for (const { id, link } of fleet.state().servers) {
    if (link === 'cut' || link === 'slow') await fleet.act(id, 'heal')
  }
}

/** Brings all engines back at once: some of a group are not ready before others are. */
export async function healEngines(fleet: Fleet): Promise<void> {
  await Promise.all(
    fleet.state().engines.map(async ({ name, status }) => {
      if (status === 'paused') await fleet.actOnEngine(name, 'resume')
      if (status === 'stopped') await fleet.actOnEngine(name, 'start')
    }),
  )
}

/** Ends a server and starts it anew. Resolves when it is healthy. */
export async function restart(fleet: Fleet, serverId: string): Promise<void> {
  await fleet.act(serverId, 'kill')
  await fleet.act(serverId, 'start')
}
