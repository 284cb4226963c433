/**
 * Byte blocks of any length, kept outside the JavaScript heap without holes.
 *
 * Blocks of one size class lie side by side. A block that is freed is filled with the last one of its class, whose
 * owner is told; so freed memory is always at the end, a page is given back when it empties, and what is lost to
 * rounding is the only waste, whatever the order of frees.
 *
 * @module
 */

/** Bytes per page. Large enough that a million sessions need few hundred objects. */
const PAGE_BYTES = 262_144
/** Empty pages kept for reuse by any class; more are left to the garbage collector. */
const SPARE_PAGES = 32
/** Bytes in front of each block that name its owner. */
const OWNER_BYTES = 4
/** Bits of a reference that number the block within its class. */
const INDEX_BITS = 24
const INDEX_MASK = (1 << INDEX_BITS) - 1

/** Bytes of the blocks of each class. */
const SIZES = listSizes()
/** Class of the blocks that have a buffer of their own. */
const LARGE = SIZES.length

/** Blocks by reference. References are 32-bit numbers, and change when their owner is told so. */
export interface Slabs {
  /** Bytes that the blocks take up. */
  readonly bytes: number
  /** Takes a block of at least `length` bytes into use. */
  allocate(length: number, owner: number): number
  release(reference: number): void
  /** Bytes that a block of this length takes up. */
  sizeFor(length: number): number
  /** Bytes that this block takes up. */
  sizeOf(reference: number): number
  /** Buffer in which a block lies; valid until the next allocation or release. */
  bufferOf(reference: number): Buffer
  /** Offset of a block's first byte in its buffer. */
  offsetOf(reference: number): number
}

/**
 * Creates an empty set of slabs.
 *
 * @param moved Told when the block of an owner has got a new reference.
 */
export function createSlabs(moved: (owner: number, reference: number) => void): Slabs {
  const classes = Array.from({ length: SIZES.length + 1 }, () => ({ pages: [] as Buffer[], count: 0 }))
  const spare: Buffer[] = []
  let bytes = 0

  function bufferOf(reference: number): Buffer {
    const kind = reference >>> INDEX_BITS
    const index = reference & INDEX_MASK
    return classes[kind]!.pages[kind === LARGE ? index : Math.trunc(index / blocksPerPage(kind))]!
  }

  function startOf(reference: number): number {
    const kind = reference >>> INDEX_BITS
    return kind === LARGE ? 0 : ((reference & INDEX_MASK) % blocksPerPage(kind)) * SIZES[kind]!
  }

  function sizeOf(reference: number): number {
    const kind = reference >>> INDEX_BITS
    return kind === LARGE ? bufferOf(reference).length : SIZES[kind]!
  }

  function allocate(length: number, owner: number): number {
    const kind = classFor(length + OWNER_BYTES)
    const slab = classes[kind]!
    const reference = ((kind << INDEX_BITS) | slab.count) >>> 0
    if (kind === LARGE) slab.pages.push(Buffer.allocUnsafeSlow(length + OWNER_BYTES))
    else if (slab.count === slab.pages.length * blocksPerPage(kind))
      slab.pages.push(spare.pop() ?? Buffer.allocUnsafeSlow(PAGE_BYTES))
    slab.count++
    bytes += sizeOf(reference)
    bufferOf(reference).writeUInt32LE(owner, startOf(reference))
    return reference
  }

  /** Fills the place of a block with the last block of its class. */
  function fill(reference: number, last: number): void {
    const kind = reference >>> INDEX_BITS
    const source = bufferOf(last)
    const start = startOf(last)
    if (kind === LARGE) classes[kind]!.pages[reference & INDEX_MASK] = source
    else source.copy(bufferOf(reference), startOf(reference), start, start + SIZES[kind]!)
    moved(source.readUInt32LE(start), reference)
  }

  return {
    get bytes() {
      return bytes
    },
    allocate,
    release(reference) {
      const kind = reference >>> INDEX_BITS
      const slab = classes[kind]!
      bytes -= sizeOf(reference)
      const last = ((kind << INDEX_BITS) | --slab.count) >>> 0
      if (last !== reference) fill(reference, last)
      if (kind === LARGE) slab.pages.pop()
      else if (slab.count === (slab.pages.length - 1) * blocksPerPage(kind)) {
        const page = slab.pages.pop()!
        if (spare.length < SPARE_PAGES) spare.push(page)
      }
    },
    sizeFor(length) {
      const kind = classFor(length + OWNER_BYTES)
      return kind === LARGE ? length + OWNER_BYTES : SIZES[kind]!
    },
    sizeOf,
    bufferOf,
    offsetOf(reference) {
      return startOf(reference) + OWNER_BYTES
    },
  }
}

/** Every 16 bytes up to 512, then four steps to each doubling: a block wastes at most a fifth. */
function listSizes(): readonly number[] {
  const sizes: number[] = []
  for (let size = 16; size <= 512; size += 16) sizes.push(size)
  for (let octave = 512; octave < 32_768; octave *= 2)
    for (let quarter = 1; quarter <= 4; quarter++) sizes.push(octave + (octave * quarter) / 4)
  return sizes
}

function classFor(length: number): number {
  if (length <= 512) return (length - 1) >>> 4
  for (let kind = 32; kind < LARGE; kind++) if (length <= SIZES[kind]!) return kind
  return LARGE
}

function blocksPerPage(kind: number): number {
  return Math.trunc(PAGE_BYTES / SIZES[kind]!)
}
