import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createSlabs, type Slabs } from './slabs.ts'

/** Blocks by owner, each filled with its owner's number. */
function createBlocks() {
  const references = new Map<number, number>()
  const lengths = new Map<number, number>()
  const slabs: Slabs = createSlabs((owner, reference) => references.set(owner, reference))
  return {
    slabs,
    references,
    allocate(owner: number, length: number): void {
      const reference = slabs.allocate(length, owner)
      references.set(owner, reference)
      lengths.set(owner, length)
      const offset = slabs.offsetOf(reference)
      slabs.bufferOf(reference).fill(owner & 0xff, offset, offset + length)
    },
    release(owner: number): void {
      slabs.release(references.get(owner)!)
      references.delete(owner)
    },
    /** Owners whose bytes are no longer their own. */
    findDamaged(): number[] {
      return [...references].flatMap(([owner, reference]) => {
        const offset = slabs.offsetOf(reference)
        const bytes = slabs.bufferOf(reference).subarray(offset, offset + lengths.get(owner)!)
        return bytes.length === lengths.get(owner) && bytes.every((byte) => byte === (owner & 0xff))
          ? []
          : [owner]
      })
    },
  }
}

describe('createSlabs()', () => {
  it('keeps the bytes of every owner, whatever is freed in whatever order', () => {
    const length = fc.oneof(
      fc.nat({ max: 600 }),
      fc.nat({ max: 40_000 }),
      fc.constantFrom(12, 13, 508, 509, 32_764, 32_765),
    )
    const steps = fc.array(fc.tuple(fc.nat({ max: 30 }), length), { maxLength: 150, size: 'max' })
    const property = fc.property(steps, (steps) => {
      const blocks = createBlocks()

      for (const [owner, length] of steps) {
        if (blocks.references.has(owner)) blocks.release(owner)
        else blocks.allocate(owner, length)
      }

      expect(blocks.findDamaged()).toEqual([])
      expect(blocks.slabs.bytes).toBe(
        [...blocks.references.values()].reduce((sum, reference) => sum + blocks.slabs.sizeOf(reference), 0),
      )
    })

    fc.assert(property, { numRuns: 60 })
  })

  it('reuses the memory of freed blocks for blocks of any other size', () => {
    const blocks = createBlocks()
    const buffers = new Set<Buffer>()

    for (const length of [100, 200, 300, 100, 20_000]) {
      const count = Math.trunc(2_000_000 / length)
      for (let owner = 0; owner < count; owner++) blocks.allocate(owner, length)
      for (const reference of blocks.references.values()) buffers.add(blocks.slabs.bufferOf(reference))
      // Neither the order of arrival nor its reverse.
      for (let owner = 0; owner < count; owner += 2) blocks.release(owner)
      for (let owner = 1; owner < count; owner += 2) blocks.release(owner)
    }

    expect(blocks.slabs.bytes).toBe(0)
    // 2 MB are some nine pages; five times over they would be more than forty.
    expect(buffers.size).toBeLessThan(15)
  })

  it('leaves no holes: half of the blocks need half of the pages', () => {
    const blocks = createBlocks()
    const count = 20_000
    for (let owner = 0; owner < count; owner++) blocks.allocate(owner, 200)
    const full = new Set([...blocks.references.values()].map((reference) => blocks.slabs.bufferOf(reference)))
      .size

    for (let owner = 0; owner < count; owner += 2) blocks.release(owner)

    const half = new Set([...blocks.references.values()].map((reference) => blocks.slabs.bufferOf(reference)))
      .size
    expect(half).toBe(Math.ceil(full / 2))
  })

  it('wastes at most a fifth of a block beyond the first 512 bytes, and less than 16 bytes before', () => {
    const blocks = createBlocks()

    for (let length = 1; length <= 40_000; length += 7) {
      const waste = blocks.slabs.sizeFor(length) - 4 - length
      expect(waste).toBeLessThan(length <= 508 ? 16 : length / 4)
    }
  })
})
