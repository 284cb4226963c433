/**
 * Sessions in the memory of this process: for one server, for development, and for tests.
 *
 * A million sessions fit in some 250 MB outside the JavaScript heap, where the garbage collector does not look at
 * them. Nothing is scanned, and there is no timer: expired sessions are found by the second in which they end.
 *
 * @module
 */

import { createTable } from './memory/table.ts'
import { NONE } from './memory/pool.ts'
import type { IndexedSessionStore, SessionRecord, SweptSession, WriteResult } from './store.ts'

/** Options of {@link createMemoryStore}. */
export interface MemoryStoreOptions {
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number

  /**
   * Most sessions kept, an integer from 1 to 16,000,000.
   *
   * @default 1_000_000
   */
  readonly maxSessions?: number

  /**
   * Most bytes that the sessions take up, at least 2 MiB. It bounds what a few very large sessions can take.
   *
   * @default 1_073_741_824 (1 GiB)
   */
  readonly maxBytes?: number
}

/** A store that also sweeps, and tells whom it evicts. */
export type MemoryStore = IndexedSessionStore & Required<Pick<IndexedSessionStore, 'sweep' | 'onEvict'>>

/** Keeps ids within the bits that the packed tables have for them. */
const SESSION_CEILING = 16_000_000

/** Room for one record of the longest data that every store must accept, in any encoding. */
const BYTE_FLOOR = 2_097_152

/** Sessions that expired and were dropped by a create, kept to be reported by the next sweep. */
const MAX_UNREPORTED = 10_000

const CONFLICT: Promise<WriteResult> = Promise.resolve({ outcome: 'conflict' })
const GONE: Promise<WriteResult> = Promise.resolve({ outcome: 'gone' })
const NOTHING: Promise<undefined> = Promise.resolve(undefined)
const TRUE = Promise.resolve(true)
const FALSE = Promise.resolve(false)

/**
 * Creates a store that loses its sessions when the process ends.
 *
 * It is bounded. When it is full, expired sessions go first, then the visitor whose last use is longest ago, and
 * users only when no visitor is left. Reading, writing and touching count as use.
 *
 * The memory of an expired session is freed by `sweep`, or when the store is full by the create that needs it; such a
 * session is reported by the next sweep, as long as there are not more than 10,000 of them. A sweep is exact but for
 * one case: when more than 1,024 sessions end within one second, some of them may be freed when that second is over.
 *
 * It owns neither timer nor connection, so there is nothing to close.
 *
 * @throws {RangeError} When an option is out of range.
 * @example
 * ```ts
 * const sessions = createSessions(createMemoryStore({ maxSessions: 200_000 }))
 * ```
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { now = Date.now, maxSessions = 1_000_000, maxBytes = 1_073_741_824 } = options
  checkRange('maxSessions', maxSessions, 1, SESSION_CEILING)
  checkRange('maxBytes', maxBytes, BYTE_FLOOR, Number.MAX_SAFE_INTEGER)

  const table = createTable()
  const listeners: ((session: SweptSession) => void)[] = []
  let unreported: SweptSession[] = []
  let evicted: SweptSession[] = []
  let lastVersion = 0

  /** Id of the live record under a key, or {@link NONE}. */
  function findLive(key: string): number {
    const id = table.find(key)
    return id !== NONE && isLive(id, now()) ? id : NONE
  }

  function isLive(id: number, at: number): boolean {
    return table.getExpiresAt(id) > at
  }

  /** Frees expired and then least recently used sessions, until so much more would fit. */
  function makeRoom(sessions: number, bytes: number, spared: number): void {
    const at = now()
    while (table.size + sessions > maxSessions || table.bytes + bytes > maxBytes) {
      const expired = table.calendar.dueOne(at)
      if (expired !== NONE && expired !== spared) {
        dropExpired(expired)
        continue
      }
      const victim = table.leastRecentlyUsed(spared)
      if (victim === NONE) return
      if (listeners.length > 0) evicted.push(table.describe(victim))
      table.remove(victim)
    }
  }

  function dropExpired(id: number): void {
    if (unreported.length < MAX_UNREPORTED) unreported.push(table.describe(id))
    table.remove(id)
  }

  /** Tells of evictions once the store is consistent again: a listener may call it. */
  function reportEvicted(): void {
    if (evicted.length === 0) return
    const sessions = evicted
    evicted = []
    for (const session of sessions) for (const listener of listeners) listener(session)
  }

  function put(id: number, key: string, record: SessionRecord): Promise<WriteResult> {
    const bytes = table.pack(key, record)
    if (bytes > maxBytes)
      return Promise.reject(new RangeError('Cannot store a session as its data must be < maxBytes'))
    const version = ++lastVersion
    if (id === NONE) {
      makeRoom(1, bytes, NONE)
      table.insert(record, version)
    } else {
      table.replace(id, record, version)
      makeRoom(0, 0, id)
    }
    reportEvicted()
    return Promise.resolve({ outcome: 'written', version })
  }

  return {
    name: 'memory',
    create(key, record) {
      const id = table.find(key)
      if (id !== NONE) {
        if (isLive(id, now())) return CONFLICT
        dropExpired(id)
      }
      return put(NONE, key, record)
    },
    read(key) {
      const id = findLive(key)
      if (id === NONE) return NOTHING
      table.use(id)
      return Promise.resolve(table.read(id, key))
    },
    write(key, version, record) {
      const id = findLive(key)
      if (id === NONE) return GONE
      return table.getVersion(id) === version ? put(id, key, record) : CONFLICT
    },
    touch(key, lastSeenAt, expiresAt) {
      const id = findLive(key)
      if (id === NONE) return FALSE
      table.touch(id, lastSeenAt, expiresAt)
      table.use(id)
      return TRUE
    },
    delete(key) {
      const id = findLive(key)
      if (id === NONE) return NOTHING
      const session = table.read(id, key)
      table.remove(id)
      return Promise.resolve(session)
    },
    quarantine(key) {
      const id = findLive(key)
      if (id === NONE) return FALSE
      table.remove(id)
      return TRUE
    },
    list(principal) {
      const at = now()
      const live = table.list(principal).filter((id) => isLive(id, at))
      return Promise.resolve(live.map((id) => table.read(id, table.describe(id).key)))
    },
    sweep(limit) {
      const at = now()
      const swept = unreported.splice(0, limit)
      while (swept.length < limit) {
        const due = table.calendar.due(at)
        if (due.length === 0) break
        for (const id of due.slice(0, limit - swept.length)) {
          swept.push(table.describe(id))
          table.remove(id)
        }
      }
      return Promise.resolve(swept)
    },
    onEvict(listener) {
      listeners.push(listener)
    },
  }
}

function checkRange(name: string, value: number, min: number, max: number): void {
  if (Number.isSafeInteger(value) && value >= min && value <= max) return
  throw new RangeError(
    `Cannot create a memory store as ${name} must be an integer from ${min} to ${max}: received ${value}`,
  )
}
