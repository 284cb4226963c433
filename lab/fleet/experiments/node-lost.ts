/**
 * The part of F5 for a store whose nodes have sessions of their own: one of them is killed, and comes back empty.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Visitor } from '../traffic/visitor.ts'
import { askHandle, logInAgain } from './arrive.ts'
import { createCrowd } from './crowd.ts'
import { type ExperimentContext, healEngines, type Measurement } from './experiment.ts'
import { createMeddler } from './meddling/meddler.ts'
import { lookClearly } from './strangers.ts'

/** Kills one node, looks at everybody's session while it is dead and afterwards, and tells them apart by node. */
export async function measureNodeLost({ fleet, short, log }: ExperimentContext): Promise<Measurement> {
  const meddler = createMeddler(fleet)
  const load = createCrowd(() => fleet.shop, { size: 8 })
  const watched = createCrowd(() => fleet.shop, { size: 24 })
  const { visitors } = watched
  const counts = { known_on_killed_meanwhile: 0, refused_elsewhere: 0, strangers_elsewhere: 0, cross_user: 0 }
  try {
    await Promise.all([load.enter(), watched.enter()])
    const handles = new Map(
      await Promise.all(visitors.map(async (visitor) => [visitor, await askHandle(visitor)] as const)),
    )
    const nodes = await meddler.find([...handles.values()])
    const nodeOf = (visitor: Visitor) => nodes.get(handles.get(visitor) ?? '')
    const victim = nodes.values().next().value ?? ''
    const theirs = visitors.filter((visitor) => nodeOf(visitor) === victim)
    const others = visitors.filter((visitor) => nodeOf(visitor) !== victim)
    load.start()
    await delay(500)
    log(`killing ${victim}, which holds ${theirs.length} of ${visitors.length} sessions`)
    await fleet.actOnEngine(victim, 'kill')

    const until = performance.now() + (short ? 3_000 : 10_000)
    await Promise.all(
      visitors.map(async (visitor) => {
        const cookie = visitor.jar.header() ?? ''
        while (performance.now() < until) {
          const sight = await visitor.me({ cookie })
          if (sight === 'crossed') counts.cross_user++
          if (nodeOf(visitor) === victim) counts.known_on_killed_meanwhile += Number(sight === 'known')
          else if (sight === 'unclear') counts.refused_elsewhere++
          else if (sight === 'stranger') counts.strangers_elsewhere++
          await delay(50)
        }
      }),
    )
    log(`starting ${victim}`)
    await healEngines(fleet)
    const lostOnKilled = await countLost(theirs)
    const lostElsewhere = await countLost(others)
    await load.stop()
    await Promise.all(theirs.map(logInAgain))
    const renewed = theirs.length - (await countLost(theirs))
    counts.cross_user += load.figures().cross_user
    return {
      measured: {
        sessions_on_killed: theirs.length,
        lost_on_killed: lostOnKilled,
        sessions_elsewhere: others.length,
        lost_elsewhere: lostElsewhere,
        ...counts,
        renewed,
        unavail_ms: load.figures().unavail_ms,
      },
      met:
        theirs.length > 0 &&
        others.length > 0 &&
        lostOnKilled === theirs.length &&
        renewed === theirs.length &&
        lostElsewhere + counts.known_on_killed_meanwhile + counts.refused_elsewhere === 0 &&
        counts.strangers_elsewhere + counts.cross_user === 0,
    }
  } finally {
    await Promise.all([load.close(), watched.close()])
  }
}

async function countLost(visitors: readonly Visitor[]): Promise<number> {
  const sights = await Promise.all(visitors.map(lookClearly))
  return sights.filter((sight) => sight !== 'known').length
}
