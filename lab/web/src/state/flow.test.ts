import { describe, expect, it } from 'vitest'
import { createEntry } from '../testing/entries.ts'
import { createFlow } from './flow.ts'

const entries = (count: number) => Array.from({ length: count }, (_, seq) => createEntry({ seq }))

describe('createFlow()', () => {
  it('moves a request from 0 to 1 and lands it', () => {
    const flow = createFlow({ duration: 1_000 })
    flow.add(entries(1), 0)

    const progress = [0, 250, 999].map((now) => flow.at(now)[0]?.progress)

    expect(progress).toEqual([0, 0.25, 0.999])
    expect(flow.at(1_000)).toEqual([])
  })

  it('lets a batch take off one after the other', () => {
    const flow = createFlow({ duration: 1_000, spread: 100, capacity: 40 })
    flow.add(entries(4), 0)

    const inTheAir = [0, 25, 50, 75].map((now) => flow.at(now).length)

    expect(inTheAir).toEqual([1, 2, 3, 4])
  })

  it('thins a large batch evenly', () => {
    const flow = createFlow({ duration: 1_000, spread: 100, capacity: 40 })

    flow.add(entries(100), 0)

    expect(flow.at(100).map(({ entry }) => entry.seq)).toEqual([0, 25, 50, 75])
  })

  it('never has more in the air than its capacity, and still shows the latest batch', () => {
    const flow = createFlow({ duration: 1_000, spread: 100, capacity: 40 })

    let most = 0
    for (let now = 0; now < 10_000; now += 100) {
      flow.add(entries(100), now)
      most = Math.max(most, flow.at(now + 99).length)
    }

    expect(most).toBe(40)
    expect(flow.at(9_999).some(({ progress }) => progress < 0.1)).toBe(true)
  })
})
