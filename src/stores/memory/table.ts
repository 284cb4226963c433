/**
 * The records of a memory store: each in four places that are kept in step here.
 *
 * A record is 96 bytes in a pool and a block of texts in the slabs; it is found by key, by user, by expiry and by
 * last use. Nothing here knows of versions or clocks.
 *
 * @module
 */

import type { SessionRecord, StoredSession, SweptSession } from '../store.ts'
import { type Calendar, createCalendar } from './calendar.ts'
import { createChains } from './chains.ts'
import { createKeys, KEY_WORDS } from './keys.ts'
import { createLists } from './list.ts'
import { createPayloads } from './payload.ts'
import { createPool, NONE } from './pool.ts'
import { createPrincipals } from './principals.ts'
import { createSlabs } from './slabs.ts'

const VERSION = 0
const CREATED_AT = 2
const LAST_SEEN_AT = 4
const EXPIRES_AT = 6
const KEY = 8
const CHAIN = KEY + KEY_WORDS
const PAYLOAD = CHAIN + 1
const EXPIRY_LINKS = { previous: PAYLOAD + 1, next: PAYLOAD + 2 }
const USE_LINKS = { previous: PAYLOAD + 3, next: PAYLOAD + 4 }
const PRINCIPAL_LINKS = { previous: PAYLOAD + 5, next: PAYLOAD + 6 }
const RECORD_WORDS = PAYLOAD + 7

/** Bytes of a record outside the slabs: its words, and its shares of the tables. */
export const RECORD_BYTES = RECORD_WORDS * 4 + 8

/** Records by id, a number that is good until the record is removed. */
export interface Table {
  /** Number of records, expired ones included. */
  readonly size: number
  /** Bytes that the records take up. */
  readonly bytes: number
  /** Finds the records that have expired. */
  readonly calendar: Pick<Calendar, 'due' | 'dueOne'>
  /** Id of the record under a key, or {@link NONE}. */
  find(key: string): number
  /**
   * Packs the texts of a record for {@link Table.insert} or {@link Table.replace}, which come next.
   *
   * @returns Bytes by which the table will grow.
   */
  pack(key: string, record: SessionRecord): number
  /** Adds the record that was packed, under the key that was looked for last. */
  insert(record: SessionRecord, version: number): void
  /** Puts the record that was packed in the place of another one with the same key. */
  replace(id: number, record: SessionRecord, version: number): void
  /** Takes a record out of everything. */
  remove(id: number): void
  getVersion(id: number): number
  getExpiresAt(id: number): number
  /** Moves last use and expiry, but never backwards. */
  touch(id: number, lastSeenAt: number, expiresAt: number): void
  /** Counts as a use for {@link Table.leastRecentlyUsed}. */
  use(id: number): void
  /** The visitor whose last use is longest ago, where there is none the user; never `spared`. {@link NONE} if alone. */
  leastRecentlyUsed(spared: number): number
  read(id: number, key: string): StoredSession
  /** What is told of a record that is removed. */
  describe(id: number): SweptSession
  /** Ids of the records of a user. */
  list(principal: string): readonly number[]
}

/** Creates an empty table. */
export function createTable(): Table {
  const records = createPool(RECORD_WORDS)
  const chains = createChains(records, KEY, CHAIN)
  const slabs = createSlabs((id, reference) => records.set(id, PAYLOAD, reference))
  const payloads = createPayloads()
  const keys = createKeys()
  const calendar = createCalendar(records, { expiresAt: EXPIRES_AT, ...EXPIRY_LINKS })
  const principals = createPrincipals(records, { ...PRINCIPAL_LINKS, principalOf })

  const uses = createPool(2)
  const useLists = createLists(records, uses, { ...USE_LINKS, head: 0, tail: 1 })
  const visitors = uses.allocate()
  const users = uses.allocate()

  const words = new Uint32Array(KEY_WORDS)
  let isDigest = false
  let packedLength = 0

  function principalOf(id: number): string | undefined {
    const reference = records.get(id, PAYLOAD)
    return payloads.readPrincipal(slabs.bufferOf(reference), slabs.offsetOf(reference))
  }

  function keyOf(id: number): string {
    const reference = records.get(id, PAYLOAD)
    const key = payloads.readKey(slabs.bufferOf(reference), slabs.offsetOf(reference))
    if (key !== undefined) return key
    for (let word = 0; word < KEY_WORDS; word++) words[word] = records.get(id, KEY + word)
    return keys.format(words)
  }

  function hasParsedKey(id: number): boolean {
    for (let word = 0; word < KEY_WORDS; word++)
      if (records.get(id, KEY + word) !== keys.words[word]) return false
    return true
  }

  function setTimes(id: number, record: SessionRecord, version: number): void {
    records.setFloat(id, VERSION, version)
    records.setFloat(id, CREATED_AT, record.createdAt)
    records.setFloat(id, LAST_SEEN_AT, record.lastSeenAt)
  }

  function setPayload(id: number): void {
    const reference = slabs.allocate(packedLength, id)
    records.set(id, PAYLOAD, reference)
    payloads.packed.copy(slabs.bufferOf(reference), slabs.offsetOf(reference), 0, packedLength)
  }

  function use(id: number): void {
    // Whoever was used last is in front already; nothing needs to be written then.
    if (useLists.next(id) === NONE) return
    useLists.remove(id)
    useLists.append(principals.has(id) ? users : visitors, id)
  }

  function firstBut(spared: number, owner: number): number {
    const first = useLists.first(owner)
    return first === spared && first !== NONE ? useLists.next(first) : first
  }

  return {
    get size() {
      return records.size
    },
    get bytes() {
      return records.size * RECORD_BYTES + slabs.bytes
    },
    calendar,
    find(key) {
      isDigest = keys.parse(key)
      const hash = keys.words[0]!
      let id = chains.first(hash)
      while (id !== NONE && !hasParsedKey(id)) id = chains.next(id)
      return id
    },
    pack(key, record) {
      packedLength = payloads.pack(record.data, record.principal, isDigest ? undefined : key)
      return slabs.sizeFor(packedLength) + RECORD_BYTES
    },
    insert(record, version) {
      const id = records.allocate()
      for (let word = 0; word < KEY_WORDS; word++) records.set(id, KEY + word, keys.words[word]!)
      chains.insert(id)
      setTimes(id, record, version)
      setPayload(id)
      records.setFloat(id, EXPIRES_AT, record.expiresAt)
      calendar.add(id)
      principals.clear(id)
      if (record.principal !== undefined) principals.add(id, record.principal)
      useLists.append(record.principal === undefined ? visitors : users, id)
    },
    replace(id, record, version) {
      const principal = principalOf(id)
      const { principal: next } = record
      setTimes(id, record, version)
      calendar.move(id, record.expiresAt)
      // The index compares users by what the records say, so the old one goes before and the new one comes after.
      if (next !== principal && principal !== undefined) principals.remove(id)
      slabs.release(records.get(id, PAYLOAD))
      setPayload(id)
      if (next !== principal && next !== undefined) principals.add(id, next)
      useLists.remove(id)
      useLists.append(next === undefined ? visitors : users, id)
    },
    remove(id) {
      if (principals.has(id)) principals.remove(id)
      useLists.remove(id)
      calendar.remove(id)
      chains.remove(id)
      slabs.release(records.get(id, PAYLOAD))
      records.release(id)
    },
    getVersion(id) {
      return records.getFloat(id, VERSION)
    },
    getExpiresAt(id) {
      return records.getFloat(id, EXPIRES_AT)
    },
    touch(id, lastSeenAt, expiresAt) {
      if (lastSeenAt > records.getFloat(id, LAST_SEEN_AT)) records.setFloat(id, LAST_SEEN_AT, lastSeenAt)
      if (expiresAt > records.getFloat(id, EXPIRES_AT)) calendar.move(id, expiresAt)
    },
    use,
    leastRecentlyUsed(spared) {
      const visitor = firstBut(spared, visitors)
      return visitor === NONE ? firstBut(spared, users) : visitor
    },
    read(id, key) {
      const reference = records.get(id, PAYLOAD)
      const buffer = slabs.bufferOf(reference)
      const offset = slabs.offsetOf(reference)
      return {
        key,
        version: records.getFloat(id, VERSION),
        data: payloads.readData(buffer, offset),
        principal: payloads.readPrincipal(buffer, offset),
        createdAt: records.getFloat(id, CREATED_AT),
        lastSeenAt: records.getFloat(id, LAST_SEEN_AT),
        expiresAt: records.getFloat(id, EXPIRES_AT),
      }
    },
    describe(id) {
      return { key: keyOf(id), principal: principalOf(id) }
    },
    list: (principal) => principals.list(principal),
  }
}
