/**
 * What is under way for sessions, by their keys.
 *
 * @module
 */

/** Something that is kept by the key of a session. The table sets `next`. */
export interface KeyedEntry<Entry> {
  readonly key: string
  next: Entry | undefined
}

/** A table of few things that come and go with every write. */
export interface KeyTable<Entry> {
  get(key: string): Entry | undefined
  /** Adds what is not there yet. */
  add(entry: Entry): void
  delete(entry: Entry): void
}

/** Requests under way at a time are mostly fewer. */
const BUCKETS = 256

/**
 * Creates a table.
 *
 * Neither a `Map` nor an object: V8 keeps the outgrown tables of the one, and with them requests that ended long ago, see
 * `guard.ts`; names of the other are made unique first, which took several times as long as all of this.
 */
export function createKeyTable<Entry extends KeyedEntry<Entry>>(): KeyTable<Entry> {
  const buckets: (Entry | undefined)[] = Array.from({ length: BUCKETS })

  return {
    get(key) {
      let entry = buckets[bucketOf(key)]
      while (entry && entry.key !== key) entry = entry.next
      return entry
    },
    add(entry) {
      const bucket = bucketOf(entry.key)
      entry.next = buckets[bucket]
      buckets[bucket] = entry
    },
    delete(entry) {
      const bucket = bucketOf(entry.key)
      let before = buckets[bucket]
      if (before === entry) buckets[bucket] = entry.next
      else {
        while (before && before.next !== entry) before = before.next
        if (before) before.next = entry.next
      }
      entry.next = undefined
    },
  }
}

/** Keys are digests, so that any two of their characters spread them. */
function bucketOf(key: string): number {
  return (key.charCodeAt(0) * 61 + key.charCodeAt(1)) % BUCKETS || 0
}
