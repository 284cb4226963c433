/**
 * F12: a session is revoked while eight clients read and write it as fast as they can, over and over.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { type Answer, type Browser, createBrowser } from '../traffic/browser.ts'
import { createVisitor, readCart, readHandle, readUsername, type Visitor } from '../traffic/visitor.ts'
import { createSessionAddress } from './addresses.ts'
import { arrive, logInAgain } from './arrive.ts'
import { createExperiment } from './experiment.ts'
import { isStateless, promiseTo } from './strategy-groups.ts'
import { measureTokenRevocation } from './token-revocation.ts'

/** Readers and writers of each round. */
const RACERS = 8

/** Rounds that run at the same time, so that one hashes a password while the other races. */
const LANES = 2

/** The same where most of a round is waiting for the bound to pass. */
const WAITING_LANES = 12

/** How long racers go on at full speed after an acknowledgement, where answers may lag, in milliseconds. */
const CHASE = 300

/** What two clocks of one machine may differ by in telling an instant, in milliseconds. */
const PRECISION = 5

/** Requests of each racer that start after the revocation was acknowledged. */
const LATE_REQUESTS = 2

const ITEM = 'tea'

const deadAtOnce = {
  en: 'No answer that was asked for after the acknowledged logout knows the session.',
  ko: '로그아웃이 확인된 뒤에 보낸 요청은 그 세션으로 인증되지 않습니다.',
}

const deadWithinBound = {
  en: 'No answer that was asked for more than 2 s after the acknowledged logout knows the session.',
  ko: '로그아웃이 확인되고 2초가 지난 뒤에 보낸 요청은 그 세션으로 인증되지 않습니다.',
}

/** What the rounds showed. */
export interface RevocationReport {
  /** Rounds whose revocation was acknowledged. */
  readonly rounds: number
  /** Rounds without acknowledgement: they prove nothing. */
  readonly unacknowledged: number
  /** Answers to requests that started before the acknowledgement. */
  readonly racing_answers: number
  /** Answers that knew the session and were asked for after it, but within the bound. None where there is no bound. */
  readonly known_within_bound: number
  /** Answers to requests that started after it, and after the bound. */
  readonly late_answers: number
  /** Of those: answers that knew the session. */
  readonly resurrected: number
  /** Answers that said yes to a cart item and did not list it. */
  readonly false_acks: number
  readonly cross_user: number
  readonly status_5xx: number
}

/** The experiment. */
export const revocationRace = createExperiment({
  name: 'F12',
  title: { en: 'Log out while eight clients race', ko: '동시 요청 8개와 로그아웃의 경쟁' },
  promises: {
    ...promiseTo({
      memory: deadAtOnce,
      sticky: deadAtOnce,
      shared: deadAtOnce,
      cached: deadWithinBound,
    }),
    token: deadWithinBound,
    sealed: deadWithinBound,
  },
  async measure(context) {
    const { fleet, strategy, bound, rounds, short, log } = context
    if (isStateless(strategy)) return measureTokenRevocation(context)
    const wanted = rounds ?? (short ? 40 : 1_000)
    // The owner's other session may live on another server, which knows nothing of the one to revoke.
    const alone = strategy === 'sticky'
    const report = await measureRevocationRace(createSessionAddress(fleet), wanted, { alone, bound, log })
    const broken = report.resurrected + report.false_acks + report.cross_user + report.unacknowledged
    return { measured: { ...report }, met: report.late_answers > 0 && broken === 0 }
  },
})

type Counts = { -readonly [Key in keyof RevocationReport]: RevocationReport[Key] }

/** Options of {@link measureRevocationRace}. */
export interface RevocationOptions {
  /**
   * Sessions are ended by logout only, never by another session of their owner.
   *
   * @default false
   */
  readonly alone?: boolean
  /**
   * How long after an acknowledgement an answer may still know the session, in milliseconds.
   *
   * @default 0
   */
  readonly bound?: number
  /** Called with what is happening, for people. */
  readonly log?: (text: string) => void
}

/** Logs in, races, revokes, for a number of rounds: in turn by logout and by the owner's other session. */
export async function measureRevocationRace(
  getOrigin: () => string,
  rounds: number,
  options: RevocationOptions = {},
): Promise<RevocationReport> {
  const { alone = false, bound = 0, log = () => {} } = options
  const counts: Counts = {
    rounds: 0,
    unacknowledged: 0,
    racing_answers: 0,
    known_within_bound: 0,
    late_answers: 0,
    resurrected: 0,
    false_acks: 0,
    cross_user: 0,
    status_5xx: 0,
  }
  let started = 0

  async function runLane(lane: number): Promise<void> {
    const username = `revoked-${Date.now().toString(36)}-${lane}`
    const owner = createVisitor(getOrigin, { username })
    const visitor = createVisitor(getOrigin, { username })
    const racers = Array.from({ length: RACERS }, () => createBrowser(getOrigin))
    try {
      await arrive(owner)
      while (started++ < rounds) {
        if (started % 100 === 0) log(`round ${started}`)
        await runRound(visitor, {
          revoker: !alone && started % 2 === 0 ? owner : visitor,
          racers,
          bound,
          counts,
        })
      }
    } finally {
      await Promise.all([owner, visitor, ...racers].map((browser) => browser.close()))
    }
  }

  await Promise.all(Array.from({ length: bound ? WAITING_LANES : LANES }, (_, lane) => runLane(lane)))
  return counts
}

interface Round {
  readonly revoker: Visitor
  readonly racers: readonly Browser[]
  readonly bound: number
  readonly counts: Counts
}

async function runRound(visitor: Visitor, { revoker, racers, bound, counts }: Round): Promise<void> {
  await logInAgain(visitor)
  const cookie = visitor.jar.header() ?? ''
  const handle = readHandle((await visitor.request('GET', '/me'))?.body)
  const race = { revokedAt: Infinity, deadAt: Infinity, over: false }

  const racing = racers.map(async (racer, index) => {
    for (let late = 0; late < LATE_REQUESTS && !race.over;) {
      // What would bring the session back happens at once. Then the racers wait, so that others have the machine.
      const now = performance.now()
      if (now < race.deadAt && now > race.revokedAt + CHASE) await delay(race.deadAt - now + PRECISION)
      const answer = await (index % 2 === 0
        ? racer.request('GET', '/me', { cookie })
        : racer.request('POST', '/cart', { cookie, body: { item: ITEM } }))
      if (!answer) continue
      if (answer.status >= 500) counts.status_5xx++
      if (isForeign(answer, visitor.username)) counts.cross_user++
      if (isFalseYes(answer)) counts.false_acks++
      if (answer.startedAt <= race.revokedAt) {
        counts.racing_answers++
        continue
      }
      if (answer.startedAt <= race.deadAt) {
        if (isAuthenticated(answer)) counts.known_within_bound++
        continue
      }
      late++
      counts.late_answers++
      if (isAuthenticated(answer)) counts.resurrected++
    }
  })

  await delay(Math.random() * 15)
  const askedAt = performance.now()
  const revoke = () =>
    revoker === visitor
      ? visitor.request('POST', '/logout')
      : revoker.request('DELETE', `/sessions/${handle ?? ''}`)
  let revocation = await revoke()
  // A server that lists sessions from its copy may not know yet of one that has just begun elsewhere.
  while (revocation?.status === 404 && performance.now() < askedAt + bound) {
    await delay(50)
    revocation = await revoke()
  }
  race.revokedAt = performance.now()
  race.deadAt = race.revokedAt + bound
  if (revocation && revocation.status < 300) {
    counts.rounds++
  } else {
    counts.unacknowledged++
    race.over = true
  }
  await Promise.all(racing)
  if (!race.over && (await visitor.me({ cookie })) === 'known') counts.resurrected++
}

/** Whether an answer lists the cart, but not the item that was just put into it. */
function isFalseYes({ status, body }: Answer): boolean {
  const cart = readCart(body)
  return status === 200 && cart !== undefined && !cart.includes(ITEM)
}

/** Whether an answer of `/me` names a user, or one of `/cart` lists more than the item just added. */
function isAuthenticated({ status, body }: Answer): boolean {
  if (status !== 200) return false
  const cart = readCart(body)
  return cart ? cart.length > 1 : true
}

function isForeign({ status, body }: Answer, username: string): boolean {
  return status === 200 && (readUsername(body) ?? username) !== username
}
