/**
 * Entries of a fixed number of 32-bit words, kept outside the JavaScript heap.
 *
 * A million sessions as objects make a full garbage collection take half a second; as words in pages they cost the
 * collector nothing. Pages are added one at a time, so growing never copies what is already there.
 *
 * @module
 */

/** Entries per page, as a power of two. */
const PAGE_BITS = 12
const PAGE_ENTRIES = 1 << PAGE_BITS
const PAGE_MASK = PAGE_ENTRIES - 1

/** Id of no entry. */
export const NONE = 0

/** Entries by id. Ids begin at 1 and are reused; {@link NONE} is never one. */
export interface Pool {
  /** Number of entries in use. */
  readonly size: number
  /** Takes an entry into use. Its words hold whatever they held before. */
  allocate(): number
  /** Gives an entry back. */
  release(id: number): void
  get(id: number, field: number): number
  set(id: number, field: number, value: number): void
  /** Reads the 64-bit number that begins at an even field. */
  getFloat(id: number, field: number): number
  setFloat(id: number, field: number, value: number): void
}

/**
 * Creates an empty pool.
 *
 * @param width Words per entry, an even number.
 */
export function createPool(width: number): Pool {
  const words: Uint32Array[] = []
  const floats: Float64Array[] = []
  let size = 0
  let top = 1
  let free = NONE

  function at(id: number, field: number): number {
    return (id & PAGE_MASK) * width + field
  }

  function allocate(): number {
    size++
    if (free !== NONE) {
      const id = free
      free = words[id >>> PAGE_BITS]![at(id, 0)]!
      return id
    }
    if (top >>> PAGE_BITS === words.length) {
      const page = new ArrayBuffer(PAGE_ENTRIES * width * 4)
      words.push(new Uint32Array(page))
      floats.push(new Float64Array(page))
    }
    return top++
  }

  return {
    get size() {
      return size
    },
    allocate,
    release(id) {
      size--
      words[id >>> PAGE_BITS]![at(id, 0)] = free
      free = id
    },
    get(id, field) {
      return words[id >>> PAGE_BITS]![at(id, field)]!
    },
    set(id, field, value) {
      words[id >>> PAGE_BITS]![at(id, field)] = value
    },
    getFloat(id, field) {
      return floats[id >>> PAGE_BITS]![at(id, field) >>> 1]!
    },
    setFloat(id, field, value) {
      floats[id >>> PAGE_BITS]![at(id, field) >>> 1] = value
    },
  }
}
