/**
 * F13: a login while ten other requests of the same browser are under way, and every fifth answer gets lost.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import { createVisitor, type Visitor } from '../traffic/visitor.ts'
import { createSessionAddress } from './addresses.ts'
import { arrive } from './arrive.ts'
import { createExperiment } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'
import { lookClearly } from './strangers.ts'

const VISITORS = 10

const neitherFixedNorLost = {
  en: 'An id from before the login never carries it, and nobody whose login was acknowledged is logged out.',
  ko: '로그인 전의 세션 ID로는 절대 로그인되지 않고, 로그인이 확인된 사람은 로그아웃되지 않습니다.',
}

/** What the logins showed. */
export interface LoginReport {
  readonly logins: number
  readonly acked: number
  /** Answers that the client never read. */
  readonly dropped: number
  /** Acknowledged logins, first or repeated, whose browser was then a stranger; repeated ones whose answer got lost, too. */
  readonly forced_logout: number
  /** Ids from before a login that carried it afterwards, or still showed its cart. */
  readonly fixated: number
  /** Cart items acknowledged before or during the login, and missing afterwards. */
  readonly acked_lost: number
  readonly cross_user: number
}

/** The experiment. */
export const loginRace = createExperiment({
  name: 'F13',
  title: { en: 'Log in amid lost answers', ko: '응답이 유실되는 중의 로그인' },
  promises: promiseTo({
    memory: neitherFixedNorLost,
    sticky: neitherFixedNorLost,
    shared: neitherFixedNorLost,
  }),
  async measure({ fleet, bound, rounds, short }) {
    const report = await measureLoginRace(createSessionAddress(fleet), rounds ?? (short ? 3 : 10), bound)
    const broken = report.forced_logout + report.fixated + report.acked_lost + report.cross_user
    return { measured: { ...report }, met: report.acked > 0 && report.dropped > 0 && broken === 0 }
  },
})

type Counts = { -readonly [Key in keyof LoginReport]: LoginReport[Key] }

/**
 * Lets ten visitors log in twice per round: first from a visitor's session, then again as the same user.
 *
 * @param bound How long an answer may still show what a visitor's session held before the login, in milliseconds.
 */
export async function measureLoginRace(
  getOrigin: () => string,
  rounds: number,
  bound = 0,
): Promise<LoginReport> {
  const counts: Counts = {
    logins: 0,
    acked: 0,
    dropped: 0,
    forced_logout: 0,
    fixated: 0,
    acked_lost: 0,
    cross_user: 0,
  }
  const run = Date.now().toString(36)
  const visitors = Array.from({ length: VISITORS }, (_, index) =>
    createVisitor(getOrigin, { username: `racer-${run}-${index}` }),
  )
  try {
    await Promise.all(
      visitors.map(async (visitor) => {
        await arrive(visitor)
        for (let round = 0; round < rounds; round++) {
          await visitor.logout()
          if (await becomeUser(visitor, bound, counts)) await becomeUserAgain(visitor, counts)
        }
      }),
    )
    return counts
  } finally {
    await Promise.all(visitors.map((visitor) => visitor.close()))
  }
}

/** From visitor to user. Resolves to whether the login was acknowledged. */
async function becomeUser(visitor: Visitor, bound: number, counts: Counts): Promise<boolean> {
  await visitor.addItem()
  const visitorCookie = visitor.jar.header() ?? ''
  const acknowledged = await loginAmidRequests(visitor, counts)
  const loggedInAt = performance.now()

  // Whether it is the visitor's own or one that an attacker planted: it must not have become a user's.
  const sight = await visitor.me({ cookie: visitorCookie })
  await delay(Math.max(0, loggedInAt + bound - performance.now()))
  const left = await visitor.cart({ cookie: visitorCookie })
  if (sight === 'known' || sight === 'crossed') counts.fixated++
  else if (acknowledged && left.answer?.status === 200 && left.missing.length < visitor.items.size)
    counts.fixated++

  if (acknowledged) await expectKnown(visitor, counts)
  return acknowledged
}

/** Once more, as people do in a second tab. The old id is the same user's: a lost answer must not log anybody out. */
async function becomeUserAgain(visitor: Visitor, counts: Counts): Promise<void> {
  await loginAmidRequests(visitor, counts)
  await expectKnown(visitor, counts)
}

async function expectKnown(visitor: Visitor, counts: Counts): Promise<void> {
  const sight = await lookClearly(visitor)
  if (sight === 'stranger') counts.forced_logout++
  if (sight === 'crossed') counts.cross_user++
  if (sight !== 'known') return
  const { missing, foreign } = await visitor.cart()
  counts.acked_lost += missing.length
  if (foreign.length > 0) counts.cross_user++
}

/** Sends a login and ten more requests at once; every fifth is hung up on within 20 ms. */
async function loginAmidRequests(visitor: Visitor, counts: Counts): Promise<boolean> {
  const chance = () => {
    if (Math.random() >= 0.2) return {}
    counts.dropped++
    return { dropAfter: 1 + Math.random() * 19 }
  }
  counts.logins++
  const [acknowledged] = await Promise.all([
    visitor.login(chance()),
    ...Array.from({ length: 4 }, () => visitor.me(chance())),
    ...Array.from({ length: 3 }, () => visitor.cart(chance())),
    ...Array.from({ length: 3 }, () => visitor.addItem(chance())),
  ])
  if (acknowledged) counts.acked++
  return acknowledged
}
