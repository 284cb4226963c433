/**
 * Copies of sessions within bounds: those that were not used lately leave first.
 *
 * @module
 */

import type { StoredSession } from '../store.ts'

/** A moment by both clocks: the monotonic one stands still while a machine sleeps, the other may be set. */
export interface Instant {
  readonly monotonic: number
  readonly wall: number
}

/** One session as this process knows it. */
export interface Copy {
  readonly session: StoredSession
  /** Stretch of an unbroken channel that was proven before the copy was read; {@link UNPROVEN} for none. */
  readonly era: number
  /** When the call began whose answer it is: what was acknowledged before is in it. */
  readonly asOf: Instant
}

/** Era of a copy that was read while nothing proved that changes are told. */
export const UNPROVEN = 0

/** A bounded place for copies. */
export interface Shelf {
  readonly size: number
  readonly bytes: number
  /** Looks at a copy, which does not count as use. */
  get(key: string): Copy | undefined
  /** Notes that a copy was used. */
  use(copy: Copy): void
  /** Puts a copy in the place of the one that is there. One that is larger than all the room is not kept. */
  put(copy: Copy): void
  remove(key: string): void
  removeWhere(matches: (copy: Copy) => boolean): void
  clear(): void
}

/** Options of {@link createShelf}. */
export interface ShelfOptions {
  readonly maxEntries: number
  readonly maxBytes: number
  /** Called for each copy that has to make room. */
  readonly onEvict: () => void
}

/** A copy in its place. */
interface Item extends Copy {
  readonly bytes: number
  /** Whether it was used since it was put where it stands in the line of those that leave. */
  isUsed: boolean
}

/** What a copy costs beside its text, in bytes: objects and its place in the map. */
const OVERHEAD = 320

/** Creates a shelf. */
export function createShelf({ maxEntries, maxBytes, onEvict }: ShelfOptions): Shelf {
  // The order of the map is the line of those that leave. One that was used goes to its end when its turn has come,
  // and not at each use: a hit then writes to nothing but the copy that it reads.
  const items = new Map<string, Item>()
  let bytes = 0

  function drop(key: string): void {
    const item = items.get(key)
    if (!item) return
    items.delete(key)
    bytes -= item.bytes
  }

  function makeRoom(): void {
    for (const [key, item] of items) {
      if (items.size <= maxEntries && bytes <= maxBytes) return
      if (item.isUsed) {
        item.isUsed = false
        items.delete(key)
        items.set(key, item)
      } else {
        drop(key)
        onEvict()
      }
    }
  }

  return {
    get size() {
      return items.size
    },
    get bytes() {
      return bytes
    },
    get: (key) => items.get(key),
    use(copy) {
      ;(copy as Item).isUsed = true
    },
    put({ session, era, asOf }) {
      const { key } = session
      drop(key)
      const item: Item = { session, era, asOf, bytes: sizeOf(session), isUsed: false }
      if (item.bytes > maxBytes) return
      items.set(key, item)
      bytes += item.bytes
      makeRoom()
    },
    remove: drop,
    removeWhere(matches) {
      for (const [key, item] of items) if (matches(item)) drop(key)
    },
    clear() {
      items.clear()
      bytes = 0
    },
  }
}

/** Two bytes for each code unit: whether V8 needs one or two cannot be asked. */
function sizeOf({ key, data, principal = '' }: StoredSession): number {
  return 2 * (key.length + data.length + principal.length) + OVERHEAD
}
