/**
 * F12 where no server looks anything up: logins are ended while eight clients read with what they were given before.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../protocol.ts'
import { type Answer, type Browser, createBrowser, type RequestOptions } from '../traffic/browser.ts'
import { createVisitor, readUsername } from '../traffic/visitor.ts'
import { arrive, logInAgain } from './arrive.ts'
import { exchangeLogin, listAddresses, TOKEN_BOUND } from './bearer-clients.ts'
import type { ExperimentContext, Measurement } from './experiment.ts'

const READERS = 8

/** Rounds at the same time: most of each is waiting for the bound to pass. */
const LANES = 12

/** What two clocks of one machine may differ by in telling an instant, in milliseconds. */
const PRECISION = 5

const LATE_REQUESTS = 2

interface Counts {
  rounds: number
  unacknowledged: number
  racing_answers: number
  /** Longest time from an acknowledgement to the start of a request that was still answered, in milliseconds. */
  last_known_ms: number
  late_answers: number
  resurrected: number
  cross_user: number
}

/** Logs in, races, ends the login: in turn by a logout and from another session by "log out everywhere". */
export async function measureTokenRevocation(context: ExperimentContext): Promise<Measurement> {
  const { fleet, strategy, rounds, short, log } = context
  const wanted = rounds ?? (short ? 40 : 1_000)
  const counts: Counts = {
    rounds: 0,
    unacknowledged: 0,
    racing_answers: 0,
    last_known_ms: 0,
    late_answers: 0,
    resurrected: 0,
    cross_user: 0,
  }
  const shows = strategy === 'token' ? 'bearer' : 'cookie'
  let started = 0

  async function runLane(lane: number): Promise<void> {
    const username = `ended-${Date.now().toString(36)}-${lane}`
    const owner = createVisitor(() => fleet.shop, { username })
    const visitor = createVisitor(() => fleet.shop, { username })
    const readers = Array.from({ length: READERS }, () => createBrowser(() => fleet.shop))
    try {
      await arrive(owner)
      while (started++ < wanted) {
        if (started % 100 === 0) log(`round ${started}`)
        const everywhere = started % 2 === 0
        await logInAgain(visitor)
        const shown: RequestOptions =
          shows === 'bearer'
            ? { bearer: (await exchangeLogin(visitor)).accessToken }
            : { cookie: visitor.jar.header() ?? '' }
        await runRound(fleet, { shown, username, readers, counts }, () =>
          everywhere ? owner.request('DELETE', '/sessions') : visitor.logout(),
        )
        visitor.forget()
        // Who ended all others is still logged in itself.
        if (everywhere && (await owner.me()) === 'stranger') await logInAgain(owner)
      }
    } finally {
      await Promise.all([owner, visitor, ...readers].map((browser) => browser.close()))
    }
  }

  await Promise.all(Array.from({ length: Math.min(LANES, wanted) }, (_, lane) => runLane(lane)))
  return {
    measured: { shows, ...counts },
    met:
      counts.rounds === wanted &&
      counts.racing_answers > 0 &&
      counts.late_answers >= wanted * READERS &&
      counts.resurrected + counts.cross_user + counts.unacknowledged === 0,
  }
}

interface Round {
  readonly shown: RequestOptions
  readonly username: string
  readonly readers: readonly Browser[]
  readonly counts: Counts
}

async function runRound(
  fleet: Fleet,
  { shown, username, readers, counts }: Round,
  revoke: () => Promise<Answer | undefined>,
): Promise<void> {
  const servers = listAddresses(fleet)
  const race = { revokedAt: Infinity, over: false }

  const reading = readers.map(async (reader, index) => {
    // One server each, so that the one that hears last is not hidden by the others.
    const origin = servers[index % servers.length] ?? fleet.shop
    for (let late = 0; late < LATE_REQUESTS && !race.over;) {
      const answer = await reader.request('GET', '/me', { ...shown, origin })
      if (!answer) continue
      const knows = answer.status === 200
      if (knows && readUsername(answer.body) !== username) counts.cross_user++
      const age = answer.startedAt - race.revokedAt
      if (age <= 0) counts.racing_answers++
      else if (knows) counts.last_known_ms = Math.max(counts.last_known_ms, Math.round(age))
      if (age > TOKEN_BOUND) {
        late++
        counts.late_answers++
        counts.resurrected += Number(knows)
      }
      // Its server has heard; whether it keeps to that is asked when the bound has passed.
      if (!knows && age <= TOKEN_BOUND) {
        const rest = race.revokedAt + TOKEN_BOUND + PRECISION - performance.now()
        await delay(Number.isFinite(rest) ? Math.max(0, rest) : PRECISION)
      }
    }
  })

  await delay(Math.random() * 15)
  const acknowledgement = await revoke()
  race.revokedAt = performance.now()
  if (acknowledgement && acknowledgement.status < 300) counts.rounds++
  else {
    counts.unacknowledged++
    race.over = true
  }
  await Promise.all(reading)
}
