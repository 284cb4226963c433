/**
 * A hash table over the entries of a pool, grown one bucket at a time.
 *
 * Linear hashing: each insert beyond the load splits one bucket, so there is no moment at which a million entries are
 * hashed again.
 *
 * @module
 */

import { NONE, type Pool } from './pool.ts'

/** Heads per page, as a power of two. */
const PAGE_BITS = 14
const PAGE_HEADS = 1 << PAGE_BITS
const PAGE_MASK = PAGE_HEADS - 1

/** Entries per bucket at which the table grows: 4 bytes of head for every one and a half entries. */
const LOAD = 1.5

/** Chains of entries whose hashes fall into one bucket. */
export interface Chains {
  /** First entry that may have this hash, or {@link NONE}. */
  first(hash: number): number
  /** Next entry that may have the same hash, or {@link NONE}. */
  next(id: number): number
  insert(id: number): void
  remove(id: number): void
}

/** Creates a table of entries by the hash in one of their fields; another field holds the chain. */
export function createChains(pool: Pool, hashField: number, nextField: number): Chains {
  const pages = [new Uint32Array(PAGE_HEADS)]
  let base = 16
  let buckets = base
  let entries = 0

  function bucketOf(hash: number): number {
    const bucket = hash & (2 * base - 1)
    return bucket < buckets ? bucket : bucket - base
  }

  function getHead(bucket: number): number {
    return pages[bucket >>> PAGE_BITS]![bucket & PAGE_MASK]!
  }

  function setHead(bucket: number, id: number): void {
    pages[bucket >>> PAGE_BITS]![bucket & PAGE_MASK] = id
  }

  function push(id: number): void {
    const bucket = bucketOf(pool.get(id, hashField))
    pool.set(id, nextField, getHead(bucket))
    setHead(bucket, id)
  }

  /** Hands the entries of the oldest unsplit bucket to itself and to a new one. */
  function split(): void {
    const source = buckets - base
    if (buckets >>> PAGE_BITS === pages.length) pages.push(new Uint32Array(PAGE_HEADS))
    buckets++
    let id = getHead(source)
    setHead(source, NONE)
    while (id !== NONE) {
      const next = pool.get(id, nextField)
      push(id)
      id = next
    }
    if (buckets === 2 * base) base = buckets
  }

  return {
    first(hash) {
      return getHead(bucketOf(hash))
    },
    next(id) {
      return pool.get(id, nextField)
    },
    insert(id) {
      push(id)
      if (++entries > buckets * LOAD) split()
    },
    remove(id) {
      entries--
      const bucket = bucketOf(pool.get(id, hashField))
      const after = pool.get(id, nextField)
      let before = getHead(bucket)
      if (before === id) return setHead(bucket, after)
      for (let next = pool.get(before, nextField); next !== id; next = pool.get(before, nextField))
        before = next
      pool.set(before, nextField, after)
    },
  }
}
