/**
 * Doubly linked lists whose links lie in the words of a pool.
 *
 * Each list belongs to an owner, an entry of another pool that holds the ends. Both ends point back at their owner
 * with {@link OWNER} set, so an entry leaves its list without anybody having to know which one it was in.
 *
 * @module
 */

import { NONE, type Pool } from './pool.ts'

/** Marks a link that leads to the owner of the list. */
const OWNER = 0x8000_0000

/** All lists over one pair of link fields. */
export interface Lists {
  /** First entry of an owner's list, or {@link NONE}. */
  first(owner: number): number
  /** The entry after this one, or {@link NONE}. */
  next(id: number): number
  append(owner: number, id: number): void
  /** Takes an entry out of its list, and returns the owner if the list is empty now. */
  remove(id: number): number
  /** Whether an entry is in a list: only told apart after {@link Lists.clear}. */
  has(id: number): boolean
  /** Marks a fresh entry as being in no list. */
  clear(id: number): void
}

/** Fields that hold the links of an entry and the ends of an owner. */
export interface ListFields {
  readonly previous: number
  readonly next: number
  readonly head: number
  readonly tail: number
}

/** Creates the lists of entries in `pool` that belong to entries of `owners`. An owner begins with both ends 0. */
export function createLists(pool: Pool, owners: Pool, { previous, next, head, tail }: ListFields): Lists {
  return {
    first(owner) {
      return owners.get(owner, head)
    },
    next(id) {
      const link = pool.get(id, next)
      return link >= OWNER ? NONE : link
    },
    append(owner, id) {
      const last = owners.get(owner, tail)
      if (last === NONE) {
        owners.set(owner, head, id)
        pool.set(id, previous, owner + OWNER)
      } else {
        pool.set(last, next, id)
        pool.set(id, previous, last)
      }
      pool.set(id, next, owner + OWNER)
      owners.set(owner, tail, id)
    },
    remove(id) {
      const before = pool.get(id, previous)
      const after = pool.get(id, next)
      if (before >= OWNER) owners.set(before - OWNER, head, after >= OWNER ? NONE : after)
      else pool.set(before, next, after)
      if (after >= OWNER) owners.set(after - OWNER, tail, before >= OWNER ? NONE : before)
      else pool.set(after, previous, before)
      pool.set(id, previous, NONE)
      return before >= OWNER && after >= OWNER ? before - OWNER : NONE
    },
    has(id) {
      return pool.get(id, previous) !== NONE
    },
    clear(id) {
      pool.set(id, previous, NONE)
    },
  }
}
