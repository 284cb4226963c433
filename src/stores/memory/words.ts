/**
 * A list of 32-bit numbers that grows by pages, outside the JavaScript heap.
 *
 * @module
 */

/** Numbers per page, as a power of two. */
const PAGE_BITS = 12
const PAGE_WORDS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_WORDS - 1

/** Numbers by index. */
export interface Words {
  readonly length: number
  get(index: number): number
  set(index: number, value: number): void
  push(value: number): void
  /** Takes the last number off; there must be one. */
  pop(): number
}

/** Creates an empty list. */
export function createWords(): Words {
  const pages: Uint32Array[] = []
  let length = 0

  return {
    get length() {
      return length
    },
    get(index) {
      return pages[index >>> PAGE_BITS]![index & PAGE_MASK]!
    },
    set(index, value) {
      pages[index >>> PAGE_BITS]![index & PAGE_MASK] = value
    },
    push(value) {
      if (length >>> PAGE_BITS === pages.length) pages.push(new Uint32Array(PAGE_WORDS))
      pages[length >>> PAGE_BITS]![length & PAGE_MASK] = value
      length++
    },
    pop() {
      length--
      return pages[length >>> PAGE_BITS]![length & PAGE_MASK]!
    },
  }
}
