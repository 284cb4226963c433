/**
 * What users of an application meet while the servers of its store are away, and how everything comes back: 64 of them,
 * who go on asking all the time.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import { createSessions, StoreUnavailableError } from 'coatcheck'
import { expect, it, onTestFinished } from 'vitest'
import type { Engine } from '../../lab/engines/engine.ts'
import { describeWith } from './engines.ts'
import { createBrowser, type Sessions, type Shop } from './session-trial.ts'
import { report } from './replicated-servers.ts'
import { type StoreKind, storeKinds } from './store-fleets.ts'

const USERS = 64
/** How often each of them asks, in milliseconds. */
const PAUSE = 200
/** Longest that a request may take that the store does not answer: it reads and then writes, 500 ms each. */
const LONGEST = 1_000
/** A busy machine may take this many times as long as a calm one. */
const ALLOWANCE = 2

const faults = [
  {
    title: 'are killed and started again',
    begin: (engine: Engine) => engine.kill(),
    end: (engine: Engine) => engine.start(),
    lasts: 1_500,
  },
  {
    title: 'stand still for 5 s',
    begin: (engine: Engine) => engine.pause(),
    end: (engine: Engine) => engine.resume(),
    lasts: 5_000,
  },
]

/** One request, by `performance.now`. */
interface Sample {
  readonly startedAt: number
  readonly endedAt: number
  readonly error: unknown
}

/** Describes how the users of a store fare, by the title of its kind. */
export function describeRecovery(title: string): void {
  const kind = storeKinds.find((candidate) => candidate.title === title)
  if (!kind) throw new RangeError(`There is no store called ${title}`)
  describeWith(kind.needs, `createSessions() over ${kind.title} whose servers are away`, () => {
    it.each(faults)(
      'refuses within a second, and is back 2 s after them: $title',
      async (fault) => {
        const trial = await createTrial(kind)
        const stop = new AbortController()
        const samples: Sample[] = []
        const users = Array.from({ length: USERS }, (_, number) =>
          use(trial.sessions, number, samples, stop.signal),
        )

        await delay(2_000)
        const before = { resources: countResources(), calls: trial.callsSince(performance.now() - 1_000) }
        const awayAt = performance.now()
        await Promise.all(trial.engines.map(fault.begin))
        await delay(fault.lasts)
        await Promise.all(trial.engines.map(fault.end))
        const startedAt = performance.now()
        const backAt = await waitForReturn(trial.takesWrites)
        stop.abort()
        await Promise.all(users)
        await delay(1_000)

        const failures = samples.filter(({ error }) => error !== undefined)
        const lastFailure = Math.max(backAt, ...failures.map(({ startedAt }) => startedAt))
        const surge = trial.callsBetween(startedAt, startedAt + 1_000)
        const after = countResources()
        const told = {
          store: kind.title,
          fault: fault.title,
          requests: samples.length,
          refused: failures.length,
          longest: Math.round(Math.max(...samples.map(({ startedAt, endedAt }) => endedAt - startedAt))),
          backAfter: Math.round(lastFailure - backAt),
          callsASecond: before.calls,
          callsAfterReturn: surge,
          resources: { before: before.resources, after },
          warnings: trial.warnings,
        }
        report(told)
        for (const { error } of failures) expect(error).toBeInstanceOf(StoreUnavailableError)
        expect(failures.every(({ startedAt }) => startedAt > awayAt - LONGEST)).toBe(true)
        expect(failures.length).toBeGreaterThan(0)
        expect(told.longest).toBeLessThan(LONGEST * ALLOWANCE)
        expect(told.backAfter).toBeLessThan(2_000 * ALLOWANCE)
        // Where copies are read, each request asks the store until they are proven fresh again.
        expect(surge).toBeLessThan(Math.max(before.calls, (USERS * 1_000) / PAUSE) * 2)
        expect(after.Timeout ?? 0).toBeLessThanOrEqual((before.resources.Timeout ?? 0) + 2)
        expect(after.TCPSocketWrap ?? 0).toBeLessThanOrEqual((before.resources.TCPSocketWrap ?? 0) + 2)
        expect(trial.warnings).toEqual([])
      },
      60_000,
    )
  })
}

async function createTrial(kind: StoreKind) {
  const fleet = await kind.start()
  onTestFinished(async () => void (await fleet.close()))
  const calls: number[] = []
  const { store, close } = await fleet.open((_method, next) => {
    calls.push(performance.now())
    return next()
  })
  onTestFinished(async () => void (await close()))
  const sessions = createSessions<Shop>(store as never)
  onTestFinished(() => sessions.close())
  const warnings: string[] = []
  const note = ({ name, message }: Error) => {
    if (name === 'MaxListenersExceededWarning' || name === 'TimeoutOverflowWarning') warnings.push(message)
  }
  process.on('warning', note)
  onTestFinished(() => void process.off('warning', note))
  const callsBetween = (from: number, to: number) => calls.filter((at) => at >= from && at < to).length
  return {
    engines: fleet.engines,
    takesWrites: fleet.takesWrites,
    sessions,
    warnings,
    callsBetween,
    callsSince: (from: number) => callsBetween(from, Number.POSITIVE_INFINITY),
  }
}

/**
 * Waits until the servers have been back for 5 s, and resolves to when they came back.
 *
 * A cluster of NATS elects for up to 9 s, after a pause even once more, and nobody can be back before it.
 */
async function waitForReturn(takesWrites = async () => true): Promise<number> {
  const startedAt = performance.now()
  let backAt = startedAt
  while (performance.now() - backAt < 5_000 && performance.now() - startedAt < 30_000) {
    if (!(await takesWrites())) backAt = performance.now()
    await delay(100)
  }
  return backAt
}

/** One user, who looks at their cart three times and then adds to it. */
async function use(
  sessions: Sessions,
  number: number,
  samples: Sample[],
  signal: AbortSignal,
): Promise<void> {
  const browser = createBrowser()
  await browser.visit(sessions, (session) => session.login(`user ${number}`))
  await delay((number / USERS) * PAUSE)
  for (let turn = 0; !signal.aborted; turn++) {
    const startedAt = performance.now()
    let error: unknown
    try {
      await browser.visit(sessions, async (session) => {
        if (turn % 4 === 3) await session.update('count', (count = 0) => count + 1)
      })
    } catch (caught) {
      error = caught
    }
    samples.push({ startedAt, endedAt: performance.now(), error })
    await delay(PAUSE)
  }
}

/** What keeps this process alive, by kind. */
function countResources(): Readonly<Record<string, number>> {
  const counts: Record<string, number> = {}
  for (const name of process.getActiveResourcesInfo()) counts[name] = (counts[name] ?? 0) + 1
  return counts
}
