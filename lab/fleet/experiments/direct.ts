/**
 * Questions that visitors ask one server by itself, past the balancer, while something is wrong with its network.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet, ServerState } from '../protocol.ts'
import type { Answer } from '../traffic/browser.ts'
import { readUsername, type Visitor } from '../traffic/visitor.ts'

/** Longest wait for something to be well again, in milliseconds. */
const PATIENCE = 30_000

/** A server to break the network of, and another that is left alone. */
export interface Pair {
  readonly victim: ServerState
  readonly other: ServerState
}

/** Chooses two servers; with a single one, the fault would leave nobody to compare it with. */
export function choosePair(fleet: Fleet): Pair {
  const [other, victim] = fleet.state().servers
  if (!victim || !other) throw new RangeError('Cannot cut a server off in a fleet of less than two servers')
  return { victim, other }
}

/** Asks a server who the visitors are, all at once, and counts those whom it knows. */
export async function countKnown(visitors: readonly Visitor[], origin: string): Promise<number> {
  const sights = await Promise.all(visitors.map((visitor) => visitor.me({ origin })))
  return sights.filter((sight) => sight === 'known').length
}

/** Time until a server has taken a write of each visitor, in milliseconds. */
export async function measureRecovery(visitors: readonly Visitor[], origin: string): Promise<number> {
  const startedAt = performance.now()
  await Promise.all(
    visitors.map(async (visitor) => {
      while (performance.now() - startedAt < PATIENCE) {
        const { answer } = await visitor.addItem({ origin })
        if (answer?.status === 200) return
        await delay(20)
      }
    }),
  )
  return Math.round(performance.now() - startedAt)
}

/** What a server said of sessions that were ended at another one. */
export interface Staleness {
  /** Sessions whose end was acknowledged. */
  readonly revoked: number
  /** Answers that knew one of them although they were asked for after that. */
  readonly stale_answers: number
  /** Longest time from the acknowledgement to the start of such a request, in milliseconds. */
  readonly last_stale_ms: number
  /** Of the answers: asked for later than the bound after the acknowledgement. */
  readonly resurrected: number
}

/** The same, and who it was measured of. */
export interface Departures {
  readonly staleness: Staleness
  /** Cookies of those whose logout was acknowledged. */
  readonly ended: ReadonlyMap<Visitor, string>
}

/**
 * Logs visitors out at one server, and asks the other for each of them again and again, until well after the bound.
 *
 * @param bound How late a revocation may arrive, in milliseconds.
 */
export async function measureStaleness(
  visitors: readonly Visitor[],
  { victim, other }: Pair,
  bound: number,
): Promise<Departures> {
  const ended = new Map<Visitor, string>()
  const counts = { revoked: 0, stale_answers: 0, last_stale_ms: 0, resurrected: 0 }
  await Promise.all(
    visitors.map(async (visitor) => {
      const cookie = visitor.jar.header() ?? ''
      const answer = await visitor.logout({ origin: other.url })
      if (answer?.status !== 204) return
      counts.revoked++
      ended.set(visitor, cookie)
      const revokedAt = answer.endedAt
      while (performance.now() < revokedAt + bound + 1_000) {
        const seen = await visitor.request('GET', '/me', { cookie, origin: victim.url })
        if (seen && isKnown(seen)) {
          const late = seen.startedAt - revokedAt
          counts.stale_answers++
          counts.last_stale_ms = Math.max(counts.last_stale_ms, Math.round(late))
          counts.resurrected += Number(late > bound)
        }
        await delay(5)
      }
    }),
  )
  return { staleness: counts, ended }
}

function isKnown({ status, body }: Answer): boolean {
  return status === 200 && readUsername(body) !== undefined
}
