/**
 * Lists of revocations on a log in memory, through a line that the test can spoil.
 *
 * @module
 */

import { onTestFinished } from 'vitest'
import type { RevocationListener, RevocationLog } from '../../src/tokens/revocation-log.ts'
import {
  createRevocations,
  type RevocationEvent,
  type Revocations,
  type RevocationsOptions,
} from '../../src/tokens/revocations.ts'
import { createMemoryRevocationLog } from '../../src/tokens/revocations/memory.ts'

export const START = Date.UTC(2026, 0, 1) + 400
export const SECOND = Math.floor(START / 1000)
/** Bound of the lists, in milliseconds. */
export const BOUND = 100

/** What may go wrong between a log and one process. */
interface Fault {
  /** Entries are not told. */
  isDeaf: boolean
  /** Nonces do not come back. */
  isMute: boolean
  /** Calls fail. */
  isAway: boolean
}

/** The same log through a line that the test can spoil. */
export function createLine(log: RevocationLog) {
  const fault: Fault = { isDeaf: false, isMute: false, isAway: false }
  const listeners = new Set<RevocationListener>()
  let opened = 0
  const call = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    if (fault.isAway) throw new Error('The line is cut')
    return work()
  }
  const line: RevocationLog = {
    name: 'spoiled',
    now: () => call(() => log.now()),
    append: (entry) => call(() => log.append(entry)),
    snapshot: () => call(() => log.snapshot()),
    subscribe(listener) {
      opened++
      const filter: RevocationListener = {
        appended: (...entry) => void (fault.isDeaf || fault.isAway || listener.appended(...entry)),
        echoed: (...nonce) => void (fault.isMute || fault.isAway || listener.echoed(...nonce)),
        broken: () => listener.broken(),
      }
      const subscription = log.subscribe(filter)
      listeners.add(listener)
      return {
        echo: (nonce) => call(() => subscription.echo(nonce)),
        close() {
          listeners.delete(listener)
          return subscription.close()
        },
      }
    },
  }
  const breakOff = () => {
    for (const listener of listeners) listener.broken()
  }
  return { line, fault, breakOff, opened: () => opened }
}

/** One process, and what its operator was told. */
interface Server {
  readonly revocations: Revocations
  readonly events: RevocationEvent[]
}

/** One more process on a log. */
export async function createServer(log: RevocationLog, options: RevocationsOptions = {}): Promise<Server> {
  const events: RevocationEvent[] = []
  const revocations = createRevocations(log, {
    bound: BOUND,
    now: () => START,
    monotonic: () => performance.now(),
    onEvent: (event) => events.push(event),
    ...options,
  })
  onTestFinished(() => revocations.close())
  return { revocations, events }
}

/** Two processes on one log: one beside it, and one at the end of a line that the test can spoil. */
export async function createTrial(options: RevocationsOptions = {}) {
  const log = createMemoryRevocationLog({ now: () => START })
  const wire = createLine(log)
  const here = await createServer(log, options)
  const there = await createServer(wire.line, options)
  await Promise.all([here.revocations.ready, there.revocations.ready])
  return { log, ...wire, here: here.revocations, there: there.revocations, events: there.events }
}

/** What a token of Ada's first session says, issued ten seconds ago. */
export const claims = (changes: object = {}) => ({ sub: 'ada', sid: 's1', iat: SECOND - 10, ...changes })
