/**
 * Copies of sessions within bounds: those used longest ago leave first.
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
  removeWhere(matches: (copy: Copy) => boolean): readonly Copy[]
  clear(): void
}

/** Options of {@link createShelf}. */
export interface ShelfOptions {
  readonly maxEntries: number
  readonly maxBytes: number
  /** Called for each copy that has to make room. */
  readonly onEvict: () => void
}

/** A copy in the chain from the one used last to the one used longest ago. */
interface Link extends Copy {
  readonly bytes: number
  newer: Link
  older: Link
}

/** What a copy costs beside its text, in bytes: objects, links, its place in the map. */
const OVERHEAD = 320

/** Creates a shelf. */
export function createShelf({ maxEntries, maxBytes, onEvict }: ShelfOptions): Shelf {
  const links = new Map<string, Link>()
  // Links instead of the order of the map: to move a key to its end costs two hashes, and rebuilds the map again and
  // again. Here a hit moves four references.
  const ends = {} as { newer: Link; older: Link }
  ends.newer = ends.older = ends as Link
  let bytes = 0

  function unchain({ newer, older }: Link): void {
    newer.older = older
    older.newer = newer
  }

  function chain(link: Link): void {
    link.newer = ends as Link
    link.older = ends.older
    ends.older.newer = link
    ends.older = link
  }

  function drop(link: Link): void {
    unchain(link)
    links.delete(link.session.key)
    bytes -= link.bytes
  }

  return {
    get size() {
      return links.size
    },
    get bytes() {
      return bytes
    },
    get: (key) => links.get(key),
    use(copy) {
      const link = copy as Link
      if (ends.older === link) return
      unchain(link)
      chain(link)
    },
    put(copy) {
      const { key } = copy.session
      const before = links.get(key)
      if (before) drop(before)
      const size = sizeOf(copy.session)
      if (size > maxBytes) return
      const link: Link = { ...copy, bytes: size, newer: ends as Link, older: ends as Link }
      chain(link)
      links.set(key, link)
      bytes += size
      while (links.size > maxEntries || bytes > maxBytes) {
        drop(ends.newer)
        onEvict()
      }
    },
    remove(key) {
      const link = links.get(key)
      if (link) drop(link)
    },
    removeWhere(matches) {
      const removed = [...links.values()].filter(matches)
      for (const link of removed) drop(link)
      return removed
    },
    clear() {
      links.clear()
      ends.newer = ends.older = ends as Link
      bytes = 0
    },
  }
}

/** Two bytes for each code unit: whether V8 needs one or two cannot be asked. */
function sizeOf({ key, data, principal = '' }: StoredSession): number {
  return 2 * (key.length + data.length + principal.length) + OVERHEAD
}
