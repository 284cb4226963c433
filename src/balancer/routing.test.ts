import { describe, expect, it } from 'vitest'
import { type Candidate, createRouting, routingNames } from './routing.ts'

const idle: readonly Candidate[] = ['A', 'B', 'C'].map((id) => ({ id, active: 0 }))
const busy: readonly Candidate[] = [
  { id: 'A', active: 3 },
  { id: 'B', active: 1 },
  { id: 'C', active: 2 },
]

/** Random numbers that were thrown before. */
function dice(...throws: readonly number[]): () => number {
  let next = 0
  return () => throws[next++ % throws.length] ?? 0
}

function choose(
  name: (typeof routingNames)[number],
  candidates: readonly Candidate[],
  times: number,
  random = dice(0),
) {
  const routing = createRouting(name, random)
  return Array.from({ length: times }, () => routing(candidates, '192.0.2.1').id)
}

describe('createRouting()', () => {
  it.each(routingNames)('%s chooses the only server there is', (name) => {
    const only: readonly Candidate[] = [{ id: 'A', active: 9 }]

    expect(choose(name, only, 2, dice(0.999))).toEqual(['A', 'A'])
  })

  it('round-robin takes turns', () => {
    expect(choose('round-robin', busy, 6)).toEqual(['A', 'B', 'C', 'A', 'B', 'C'])
  })

  it.each(['least-connections', 'sticky'] as const)(
    '%s chooses the least busy, and takes turns among equals',
    (name) => {
      expect(choose(name, busy, 3)).toEqual(['B', 'B', 'B'])
      expect(choose(name, idle, 4)).toEqual(['A', 'B', 'C', 'A'])
    },
  )

  it('p2c chooses the less busy one of two different servers', () => {
    expect(choose('p2c', busy, 1, dice(0, 0.6))).toEqual(['C'])
    expect(choose('p2c', busy, 1, dice(0.5, 0.6))).toEqual(['B'])
    expect(choose('p2c', busy, 1, dice(0.999, 0.999))).toEqual(['B'])
  })

  it('random reaches every server', () => {
    expect(choose('random', busy, 3, dice(0, 0.5, 0.999))).toEqual(['A', 'B', 'C'])
  })

  it('ip-hash spreads addresses evenly and moves only those of a server that left', () => {
    const routing = createRouting('ip-hash', dice(0))
    const addresses = Array.from({ length: 3_000 }, (_, i) => `192.0.${i >> 8}.${i & 255}`)

    const before = addresses.map((address) => routing(idle, address).id)
    const after = addresses.map((address) => routing(idle.slice(0, 2), address).id)

    for (const { id } of idle) {
      const share = before.filter((chosen) => chosen === id).length
      expect(share).toBeGreaterThan(850)
      expect(share).toBeLessThan(1_150)
    }
    expect(before.every((id, i) => id === 'C' || id === after[i])).toBe(true)
  })
})
