/**
 * F4: each request goes to a random server, past the balancer, and must see what the one before it wrote.
 *
 * @module
 */

import { createRandomAddress } from './addresses.ts'
import { createCrowd } from './crowd.ts'
import { createExperiment, type ExperimentContext, type Measurement } from './experiment.ts'
import { promiseTo } from './strategy-groups.ts'
import { countStrangers, isAboutTwoThirds, toPercent } from './strangers.ts'

const failsByDesign = {
  en: 'Fails by design: about two thirds of requests reach a server that does not know the login.',
  ko: '설계상 실패합니다. 요청의 약 2/3가 로그인을 모르는 서버에 도착합니다.',
}

/** The experiment. */
export const randomServer = createExperiment({
  name: 'F4',
  title: { en: 'A random server for every request', ko: '요청마다 임의의 서버' },
  promises: promiseTo({
    memory: failsByDesign,
    sticky: failsByDesign,
    shared: {
      en: 'Every client reads its own writes, on whichever server.',
      ko: '어느 서버에서든 자기가 쓴 것을 읽습니다.',
    },
  }),
  measure: (context) => (context.isShared ? measureShared(context) : measureUnshared(context)),
})

async function measureUnshared({ fleet }: ExperimentContext): Promise<Measurement> {
  const anywhere = createRandomAddress(fleet)
  const crowd = createCrowd(anywhere, { size: 20 })
  try {
    await crowd.enter()
    const count = await countStrangers(crowd.visitors, 15, anywhere)
    return {
      measured: { requests: count.looks, strangers_percent: toPercent(count), cross_user: count.crossed },
      met: isAboutTwoThirds(toPercent(count)) && count.crossed === 0,
    }
  } finally {
    await crowd.close()
  }
}

async function measureShared({ fleet, rounds, short }: ExperimentContext): Promise<Measurement> {
  const crowd = createCrowd(createRandomAddress(fleet), { size: 12 })
  const counts = { writes: 0, stale_reads: 0, strangers: 0, cross_user: 0, refused: 0 }
  try {
    await crowd.enter()
    await Promise.all(
      crowd.visitors.map(async (visitor) => {
        for (let round = 0; round < (rounds ?? (short ? 20 : 100)); round++) {
          const written = await visitor.addItem()
          if (written.answer?.status === 200) counts.writes++
          else counts.refused++
          const sight = await visitor.me()
          const read = await visitor.cart()
          counts.stale_reads += written.missing.length + read.missing.length
          if (sight === 'stranger') counts.strangers++
          if (sight === 'crossed' || read.foreign.length > 0) counts.cross_user++
        }
      }),
    )
    return {
      measured: counts,
      met: counts.stale_reads + counts.strangers + counts.cross_user + counts.refused === 0,
    }
  } finally {
    await crowd.close()
  }
}
