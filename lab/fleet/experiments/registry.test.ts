import { afterEach, describe, expect, it } from 'vitest'
import { type ShopFault, type StandInShop, startStandInShop } from '../../../test/support/stand-in-shop.ts'
import type { ExperimentResult } from '../protocol.ts'
import { createCrowd } from './crowd.ts'
import { experiments, findExperiment } from './registry.ts'

let shop: StandInShop | undefined

afterEach(async () => {
  await shop?.close()
})

async function run(name: string, rounds: number, fault?: ShopFault): Promise<ExperimentResult> {
  shop = await startStandInShop(fault)
  const experiment = findExperiment(name)
  if (!experiment) throw new Error(`There is no experiment ${name}`)
  return experiment.run(shop.fleet('sqlite'), { rounds })
}

describe('experiments', () => {
  it('have names of their own, and titles and promises in two languages', () => {
    const names = experiments.map(({ info }) => info.name)

    expect(new Set(names).size).toBe(names.length)
    for (const { info, strategies } of experiments) {
      expect(info.title.en && info.title.ko).toBeTruthy()
      expect(strategies).not.toHaveLength(0)
    }
  })

  it.each([
    ['F4', 10],
    ['F11', 1],
    ['F12', 10],
    ['F13', 2],
  ])('%s finds that a shop without faults keeps its promise', async (name, rounds) => {
    const result = await run(name, rounds)

    expect(result).toEqual({ ...result, met: true })
  })

  it.each([
    ['F4', 10, 'forgetful', 'strangers'],
    ['F4', 10, 'lying', 'stale_reads'],
    ['F4', 20, 'crossed-users', 'cross_user'],
    ['F11', 1, 'lost-update', 'lost_updates'],
    ['F12', 10, 'revival', 'resurrected'],
    ['F12', 10, 'empty-yes', 'false_acks'],
    ['F13', 3, 'fixation', 'fixated'],
    ['F13', 5, 'eager-cookie', 'forced_logout'],
  ] as const)('%s (%i rounds) sees the fault of a %s shop in %s', async (name, rounds, fault, figure) => {
    const result = await run(name, rounds, fault)

    expect(result.met).toBe(false)
    expect(result.measured[figure]).toBeGreaterThan(0)
  })
})

describe('createCrowd()', () => {
  it.each([
    ['lying', 'acked_lost'],
    ['forgetful', 'acked_lost'],
    ['crossed-users', 'cross_user'],
  ] as const)('sees the fault of a %s shop in %s', async (fault, figure) => {
    shop = await startStandInShop(fault)
    const crowd = createCrowd(() => shop?.url ?? '', { size: 8, pause: 5 })
    await crowd.enter()

    crowd.start()
    // Which request meets the fault is a matter of chance.
    while (crowd.figures()[figure] === 0 && crowd.figures().requests < 10_000) {
      await crowd.visitors[0]?.request('GET', '/')
    }
    await crowd.stop()
    await crowd.verify()

    expect(crowd.figures()[figure]).toBeGreaterThan(0)
    await crowd.close()
  })

  it('finds everything in a shop without faults', async () => {
    shop = await startStandInShop()
    const crowd = createCrowd(() => shop?.url ?? '', { size: 8, pause: 5 })
    await crowd.enter()

    crowd.start()
    while (crowd.figures().requests < 400) await crowd.visitors[0]?.request('GET', '/')
    await crowd.stop()
    await crowd.verify()

    expect(crowd.figures()).toMatchObject({
      acked_logins: 8,
      acked_lost: 0,
      cross_user: 0,
      doubled: 0,
      unanswered: 0,
    })
    expect(crowd.figures().acked_items).toBeGreaterThan(50)
    await crowd.close()
  })
})
