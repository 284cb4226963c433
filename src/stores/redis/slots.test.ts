import { describe, expect, it } from 'vitest'
import { readSlots, slotOf } from './slots.ts'

describe('slotOf()', () => {
  it.each([
    ['', 0],
    ['123456789', 12_739],
    ['foo', 12_182],
    ['bar', 5_061],
  ])('gives the slot of %j as a cluster does', (text, slot) => {
    expect(slotOf(text)).toBe(slot)
  })
})

describe('readSlots()', () => {
  const node = (id: string, port: number) => [id === 'b' ? null : '10.0.0.1', port, id, []] as const

  it('finds a tag in a slot of each primary, however few it has', () => {
    const { primaries } = readSlots(
      [
        [0, 12_181, node('a', 1), node('r', 9)],
        [12_182, 12_182, node('b', 2)],
        [12_183, 16_383, node('a', 1)],
      ],
      'host',
    )

    const [a, b] = primaries
    expect(primaries.map(({ id, host, port }) => [id, host, port])).toEqual([
      ['a', '10.0.0.1', 1],
      ['b', 'host', 2],
    ])
    expect(slotOf(b?.tag ?? '')).toBe(12_182)
    expect(slotOf(a?.tag ?? '')).not.toBe(12_182)
  })

  it('has one signature for views that agree, in whatever order they come', () => {
    const ranges = [
      [0, 100, node('a', 1)],
      [101, 16_383, node('b', 2), node('r', 3)],
    ]
    const moved = [
      [0, 99, node('a', 1)],
      [100, 16_383, node('b', 2)],
    ]

    const { signature } = readSlots(ranges, 'host')

    expect(readSlots(ranges.toReversed(), 'other').signature).toBe(signature)
    expect(readSlots(moved, 'host').signature).not.toBe(signature)
  })
})
