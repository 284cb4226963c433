import { describe, expect, it } from 'vitest'
import { createTraffic } from '../testing/entries.ts'
import { keptSegments } from './kept.ts'

describe('keptSegments()', () => {
  it('cuts the logins into the kept and the lost by server', () => {
    const traffic = createTraffic({ loggedIn: 200, kept: 130, lostByServer: { C: 10, B: 60 } })

    const segments = keptSegments(traffic)

    expect(segments).toEqual([
      { server: undefined, kind: 'kept', count: 130 },
      { server: 'B', kind: 'lost', count: 60 },
      { server: 'C', kind: 'lost', count: 10 },
    ])
  })

  it('names no server for losses that nobody is known to have caused', () => {
    const segments = keptSegments(createTraffic({ loggedIn: 10, kept: 7, lostByServer: { A: 1 } }))

    expect(segments.at(-1)).toEqual({ server: undefined, kind: 'lost', count: 2 })
  })

  it('adds up to the acknowledged logins even when the figures disagree', () => {
    const segments = keptSegments(createTraffic({ loggedIn: 10, kept: 8, lostByServer: { A: 5, B: 5 } }))

    expect(segments.reduce((sum, { count }) => sum + count, 0)).toBe(10)
  })

  it('is empty while nobody has logged in', () => {
    expect(keptSegments(createTraffic())).toEqual([])
  })
})
