import { describe, expect, it } from 'vitest'
import { createCosts, createLogCosts, createServer } from '../testing/entries.ts'
import { totalCosts } from './costs.ts'

const log = createLogCosts()

describe('totalCosts()', () => {
  it('adds up what the servers tell, and passes over those that tell nothing', () => {
    const total = totalCosts([
      createServer({ costs: createCosts({ bytes: 100, localReads: 7, askedReads: 1, log }) }),
      createServer({ costs: undefined }),
      createServer({ costs: createCosts({ bytes: 140, localReads: 5, askedReads: 2, log }) }),
    ])

    expect(total).toMatchObject({
      bytes: 240,
      localReads: 12,
      askedReads: 3,
      perSecond: { messagesIn: 40, messagesOut: 20, bytesIn: 18_000, bytesOut: 8_000 },
      perChange: { messagesIn: 3, messagesOut: 1, bytesIn: 3_000, bytesOut: 800 },
    })
  })

  it('counts a write once, however many servers were told of it', () => {
    const told = [12, 11.5].map((rate) => createServer({ costs: createCosts({ changesPerSecond: rate }) }))

    expect(totalCosts(told).changesPerSecond).toBe(12)
  })

  it('has no traffic where nobody follows a log, nor of writes that there were none of', () => {
    const near = totalCosts([createServer({ costs: createCosts() })])
    const idle = totalCosts([
      createServer({ costs: createCosts({ log: createLogCosts({ perChange: undefined }) }) }),
    ])

    expect(near).toMatchObject({ perSecond: undefined, perChange: undefined })
    expect(idle).toMatchObject({ perSecond: log.perSecond, perChange: undefined })
  })

  it('is nothing when nobody tells', () => {
    expect(totalCosts([createServer()])).toMatchObject({
      bytes: 0,
      changesPerSecond: 0,
      perSecond: undefined,
    })
  })
})
