/**
 * F3: a server stands still for half a minute and wakes with requests that are long out of date.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../protocol.ts'
import type { Answer } from '../traffic/browser.ts'
import type { Visitor } from '../traffic/visitor.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, type Measurement } from './experiment.ts'
import { findReturned, leave } from './leavers.ts'
import { promiseTo } from './strategy-groups.ts'

/** The experiment. */
export const serverPaused = createExperiment({
  name: 'F3',
  title: { en: 'Pause a server, then resume it', ko: '서버 일시 정지 후 재개' },
  promises: promiseTo({
    sticky: {
      en: 'The paused server’s logins are unusable meanwhile, then all back; no others are affected.',
      ko: '정지된 서버의 로그인은 그동안 쓸 수 없다가 모두 돌아오고, 다른 로그인은 영향이 없습니다.',
    },
    shared: {
      en: 'Late writes of the woken server do not bring back what was logged out, and nothing acknowledged is lost.',
      ko: '깨어난 서버의 늦은 쓰기가 로그아웃된 세션을 되살리지 못하고, 확인된 것은 사라지지 않습니다.',
    },
  }),
  measure: (context) => (context.isShared ? measureShared(context) : measureSticky(context)),
})

async function measureSticky({ fleet, seconds, short, log }: ExperimentContext): Promise<Measurement> {
  const crowd = createCrowd(() => fleet.shop, { size: 30, timeout: 3_000 })
  try {
    await crowd.enter()
    const [server] = fleet.state().servers
    const paused = server?.id ?? ''
    const cookies = new Map(
      crowd.visitors.map((visitor) => [visitor, { cookie: visitor.jar.header() ?? '' }]),
    )
    const theirs = crowd.visitors.filter(({ loginServer }) => loginServer === paused)
    const others = crowd.visitors.filter(({ loginServer }) => loginServer !== paused)
    const look = async (visitors: readonly Visitor[]) => {
      const sights = await Promise.all(visitors.map((visitor) => visitor.me(cookies.get(visitor))))
      return {
        known: sights.filter((sight) => sight === 'known').length,
        crossed: sights.filter((s) => s === 'crossed').length,
      }
    }

    log(`pausing ${paused}, which holds ${theirs.length} of ${crowd.visitors.length} logins`)
    await fleet.act(paused, 'pause')
    const [theirsMeanwhile, othersMeanwhile] = await Promise.all([look(theirs), look(others)])
    await delay((seconds ?? (short ? 3 : 30)) * 1_000)
    await fleet.act(paused, 'resume')
    const [theirsAfter, othersAfter] = await Promise.all([look(theirs), look(others)])
    const crossed =
      theirsMeanwhile.crossed + othersMeanwhile.crossed + theirsAfter.crossed + othersAfter.crossed
    return {
      measured: {
        logins_on_paused: theirs.length,
        known_while_paused: theirsMeanwhile.known,
        known_after_resume: theirsAfter.known,
        logins_elsewhere: others.length,
        known_elsewhere: Math.min(othersMeanwhile.known, othersAfter.known),
        cross_user: crossed,
      },
      met:
        theirs.length > 0 &&
        theirsMeanwhile.known === 0 &&
        theirsAfter.known === theirs.length &&
        othersMeanwhile.known === others.length &&
        othersAfter.known === others.length &&
        crossed === 0,
    }
  } finally {
    await crowd.close()
  }
}

async function measureShared({ fleet, seconds, short, log }: ExperimentContext): Promise<Measurement> {
  const pause = (seconds ?? (short ? 3 : 30)) * 1_000
  const load = createCrowd(() => fleet.shop, { size: 12 })
  const watched = createCrowd(() => fleet.shop, { size: 20, timeout: pause + 15_000 })
  try {
    await Promise.all([load.enter(), watched.enter()])
    await Promise.all(watched.visitors.map((visitor) => visitor.addItem()))
    load.start()
    await delay(500)
    const sleeper = fleet.state().servers[0]
    if (!sleeper) throw new Error('Cannot pause a server of a fleet without servers')
    log(`pausing ${sleeper.id}`)
    await fleet.act(sleeper.id, 'pause')

    const late = watched.visitors.map((visitor) => writeLate(visitor, sleeper.url))
    const leavers = await leave(watched.visitors.filter((_, index) => index % 2 === 0))
    const stayers = watched.visitors.filter(({ loggedIn }) => loggedIn)
    const added = await Promise.all(stayers.map((visitor) => visitor.addItem()))
    await delay(pause)
    log(`resuming ${sleeper.id}, where ${late.length} writes wait`)
    await fleet.act(sleeper.id, 'resume')
    const lateAnswers = await Promise.all(late)

    await load.stop()
    await Promise.all([load.verify(), watched.verify()])
    const resurrected = await countResurrected(fleet, leavers, watched.visitors, lateAnswers)
    const { acked_lost: lost, cross_user: crossUser, unavail_ms: unavailable } = load.figures()
    const ackedLost = lost + watched.figures().acked_lost
    return {
      measured: {
        late_writes: late.length,
        late_writes_answered: lateAnswers.filter((answer) => answer !== undefined).length,
        written_meanwhile: added.filter(({ answer }) => answer?.status === 200).length,
        revoked: leavers.size,
        resurrected,
        acked_lost: ackedLost,
        cross_user: crossUser + watched.figures().cross_user,
        unavail_ms: unavailable,
      },
      met: leavers.size > 0 && resurrected + ackedLost + crossUser + watched.figures().cross_user === 0,
    }
  } finally {
    await Promise.all([load.close(), watched.close()])
  }
}

/** Sends a write to the sleeping server: the kernel accepts it, the server reads it when it wakes. */
function writeLate(visitor: Visitor, origin: string): Promise<Answer | undefined> {
  const cookie = visitor.jar.header() ?? ''
  return visitor.request('POST', '/cart', { body: { item: `${visitor.username}#late` }, cookie, origin })
}

/** A logout is undone when its cookie works again anywhere, or when the late write still found the cart. */
async function countResurrected(
  fleet: Fleet,
  leavers: ReadonlyMap<Visitor, string>,
  visitors: readonly Visitor[],
  lateAnswers: readonly (Answer | undefined)[],
): Promise<number> {
  const returned = await findReturned(fleet, leavers)
  const undone = [...leavers.keys()].filter((visitor) => {
    const { cart = [] } = (lateAnswers[visitors.indexOf(visitor)]?.body ?? {}) as { cart?: readonly string[] }
    return returned.has(visitor) || cart.length > 1
  })
  return undone.length
}
