/**
 * Finds the records of a user.
 *
 * Each user with a record has an entry outside the heap: a hash of the id, and the list of records. The id itself
 * lies in the records only, and is compared there.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { createChains } from './chains.ts'
import { createLists } from './list.ts'
import { createPool, NONE, type Pool } from './pool.ts'

const USER_WORDS = 4
const HASH = 0
const CHAIN = 1
const HEAD = 2
const TAIL = 3

/** Records by user. */
export interface Principals {
  /** Adds a record whose user is already stored in it. */
  add(id: number, principal: string): void
  remove(id: number): void
  /** Whether a record is a user's, and not a visitor's. */
  has(id: number): boolean
  /** Marks a fresh record as a visitor's. */
  clear(id: number): void
  /** Ids of all records of a user, expired ones too. */
  list(principal: string): readonly number[]
}

/** What the index needs to know of records. */
export interface PrincipalFields {
  readonly previous: number
  readonly next: number
  /** Reads the user out of a record. */
  readonly principalOf: (id: number) => string | undefined
}

/** Creates an empty index over records in a pool. */
export function createPrincipals(
  records: Pool,
  { previous, next, principalOf }: PrincipalFields,
): Principals {
  const users = createPool(USER_WORDS)
  const chains = createChains(users, HASH, CHAIN)
  const lists = createLists(records, users, { previous, next, head: HEAD, tail: TAIL })
  // Applications may let people choose their id: without a seed they could choose ids with one hash.
  const seed = randomBytes(4).readUInt32LE()

  function find(principal: string, hash: number): number {
    let user = chains.first(hash)
    while (user !== NONE) {
      if (users.get(user, HASH) === hash && principalOf(lists.first(user)) === principal) return user
      user = chains.next(user)
    }
    return NONE
  }

  function open(hash: number): number {
    const user = users.allocate()
    users.set(user, HASH, hash)
    users.set(user, HEAD, NONE)
    users.set(user, TAIL, NONE)
    chains.insert(user)
    return user
  }

  return {
    add(id, principal) {
      const hash = hashText(principal, seed)
      const user = find(principal, hash)
      lists.append(user === NONE ? open(hash) : user, id)
    },
    remove(id) {
      const emptied = lists.remove(id)
      if (emptied === NONE) return
      chains.remove(emptied)
      users.release(emptied)
    },
    has: (id) => lists.has(id),
    clear: (id) => lists.clear(id),
    list(principal) {
      const user = find(principal, hashText(principal, seed))
      const ids: number[] = []
      if (user === NONE) return ids
      for (let id = lists.first(user); id !== NONE; id = lists.next(id)) ids.push(id)
      return ids
    },
  }
}

/** MurmurHash3's mixing over UTF-16 code units. */
function hashText(text: string, seed: number): number {
  let hash = seed
  for (let position = 0; position < text.length; position++) {
    hash ^= Math.imul(text.charCodeAt(position) * 0xcc9e + 1, 0x1b87_3593)
    hash = Math.imul((hash << 13) | (hash >>> 19), 5) + 0xe654_6b64
  }
  hash = Math.imul(hash ^ (hash >>> 16), 0x85eb_ca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2_ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}
