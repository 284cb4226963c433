/**
 * F8: the store gives no answer for a while: first it stands still, then it is dead.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { findStrategy } from '../strategies.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, healEngines, type Measurement } from './experiment.ts'
import { canMeddle, createMeddler } from './meddling/meddler.ts'
import {
  DEADLINE,
  isWellTold,
  measureLoad,
  measureRecovery,
  readFor,
  RECOVERY,
  type Refusals,
  writeFor,
} from './outage.ts'
import { measureStoreLocked } from './store-locked.ts'
import { promiseTo } from './strategy-groups.ts'

/** What the store may have to do at most after an outage, as a multiple of what it has to do otherwise. */
const HERD = 2

/** How long the load is counted before an outage, and right after it, in milliseconds. */
const LOAD_WINDOW = 3_000

/** The experiment. */
export const storeAway = createExperiment({
  name: 'F8',
  title: { en: 'The store is away', ko: '저장소 사용 불가' },
  promises: {
    ...promiseTo(
      {
        shared: {
          en: 'Writes get 503 with Retry-After within a second, all is well again within two seconds, and nothing is lost.',
          ko: '쓰기는 1초 안에 Retry-After가 있는 503을 받고, 2초 안에 정상으로 돌아오며, 아무것도 잃지 않습니다.',
        },
        lossy: {
          en: 'Writes get 503 with Retry-After within a second, and all is well again within two. A pause loses nothing; death logs everybody out.',
          ko: '쓰기는 1초 안에 Retry-After가 있는 503을 받고, 2초 안에 정상으로 돌아옵니다. 멈췄다 깨면 잃지 않고, 죽으면 모두 로그아웃됩니다.',
        },
      },
      canMeddle,
    ),
    replicated: {
      en: 'Writes get 503 with Retry-After within a second, reads go on for 2 s at most. All is well within two seconds of NATS having elected a leader, and nothing is lost.',
      ko: '쓰기는 1초 안에 Retry-After가 있는 503을 받고, 읽기는 최대 2초만 계속됩니다. NATS가 리더를 뽑은 뒤 2초 안에 정상으로 돌아오며, 아무것도 잃지 않습니다.',
    },
  },
  measure(context) {
    const { engineDeath } = findStrategy(context.strategy)?.promises ?? {}
    return engineDeath ? measureBoth(context, engineDeath === 'loss') : measureStoreLocked(context)
  },
})

/** What one outage showed. */
interface Outage extends Refusals {
  /** From the return of the engines. */
  readonly recovery: number
  /** The same, until they had elected who takes writes; absent where nobody is elected. */
  readonly election: number | undefined
  /** When the last look began that a copy answered, from the beginning of the outage; 0 where there are no copies. */
  readonly lastRead: number
  readonly load: number
  readonly ackedLost: number
  readonly crossed: number
  readonly met: boolean
}

async function measureBoth(context: ExperimentContext, isLossy: boolean): Promise<Measurement> {
  const paused = await measureOutage(context, 'pause', false)
  const killed = await measureOutage(context, 'kill', isLossy)
  return {
    measured: {
      refused: paused.refused + killed.refused,
      answered_otherwise: paused.answered_otherwise + killed.answered_otherwise,
      without_retry_after: paused.without_retry_after + killed.without_retry_after,
      slowest_answer_ms: Math.max(paused.slowest_answer_ms, killed.slowest_answer_ms),
      recovery_paused_ms: paused.recovery,
      recovery_killed_ms: killed.recovery,
      ...(paused.election !== undefined && {
        election_paused_ms: paused.election,
        election_killed_ms: killed.election ?? 0,
      }),
      ...(context.bound > 0 && { last_read_ms: Math.max(paused.lastRead, killed.lastRead) }),
      load_paused: paused.load,
      load_killed: killed.load,
      acked_lost: paused.ackedLost + (isLossy ? 0 : killed.ackedLost),
      ...(isLossy && { lost_with_store: killed.ackedLost }),
      cross_user: paused.crossed + killed.crossed,
    },
    met: paused.met && killed.met,
  }
}

/** Takes all engines away that hold sessions, and gives them back. */
async function measureOutage(
  { fleet, bound, seconds, short, log }: ExperimentContext,
  fault: 'pause' | 'kill',
  isLossy: boolean,
): Promise<Outage> {
  const meddler = createMeddler(fleet)
  const load = createCrowd(() => fleet.shop, { size: 8, pause: 200 })
  const writers = createCrowd(() => fleet.shop, { size: 8, timeout: 15_000 })
  const readers = createCrowd(() => fleet.shop, { size: bound > 0 ? 4 : 0 })
  try {
    await Promise.all([load.enter(), writers.enter(), readers.enter()])
    load.start()
    await delay(500)
    const normal = (await measureLoad(meddler, LOAD_WINDOW)) ?? 0
    log(`${fault}: ${meddler.keepers().join(', ')}`)
    await Promise.all(meddler.keepers().map((name) => fleet.actOnEngine(name, fault)))
    const awayAt = performance.now()
    const duration = (seconds ?? (short ? 5 : 30)) * 1_000
    const reading = readFor(readers.visitors, duration - DEADLINE)
    const refusals = await writeFor(writers.visitors, duration)
    const lastRead = Math.max(0, ...(await reading).map((startedAt) => Math.round(startedAt - awayAt)))

    await healEngines(fleet)
    const backAt = performance.now()
    log('back')
    const recovering = measureRecovery(writers.visitors, backAt)
    const election = meddler.takesWrites && (await measureElection(meddler.takesWrites, backAt, recovering))
    const recovery = await recovering
    const afterwards = (await measureLoad(meddler, LOAD_WINDOW)) ?? 0
    await load.stop()
    if (!isLossy) await Promise.all([load.verify(), writers.verify()])
    const ackedLost = load.figures().acked_lost + writers.figures().acked_lost
    const crossed = load.figures().cross_user + writers.figures().cross_user
    const ratio = Math.round((afterwards / Math.max(1, normal)) * 100) / 100
    return {
      ...refusals,
      recovery,
      election,
      lastRead,
      load: ratio,
      ackedLost,
      crossed,
      met:
        isWellTold(refusals) &&
        recovery - (election ?? 0) <= RECOVERY &&
        lastRead <= bound &&
        ratio <= HERD &&
        crossed === 0 &&
        (isLossy || ackedLost === 0),
    }
  } finally {
    await Promise.all([load.close(), writers.close(), readers.close()])
  }
}

/**
 * Time from an instant until the last time that an outsider was refused, in milliseconds: an engine that was away may take
 * some writes before it hears that another one has to be elected.
 */
async function measureElection(
  takesWrites: () => Promise<boolean>,
  since: number,
  recovering: Promise<unknown>,
): Promise<number> {
  const race = { over: false }
  void recovering.finally(() => (race.over = true))
  let refusedAt = since
  while (!race.over) {
    if (!(await takesWrites())) refusedAt = performance.now()
    await delay(20)
  }
  return Math.round(refusedAt - since)
}
