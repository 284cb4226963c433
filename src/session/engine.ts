/**
 * Sessions in a store: found by id, created, ended. Knows no cookies and no requests.
 *
 * @module
 */

import {
  CorruptRecordError,
  type IndexedSessionStore,
  MAX_RECORD_LENGTH,
  type RevokingSessionStore,
  type SessionStore,
  type StoredSession,
  StoreUnavailableError,
} from '../stores/store.ts'
import { type Attributes, applyChanges, type Change } from './attributes.ts'
import type { StoreClock } from './clock.ts'
import { SessionTooLargeError } from './errors.ts'
import type { EventHub } from './events.ts'
import { keyOf } from './id.ts'
import type { Lifetime } from './lifetime.ts'
import { type DecodedRecord, decodeRecord, type Snapshot, toRecord } from './record.ts'
import { openSuccessor } from './successor.ts'
import { type TokenRevocations, tokenSessionOf } from './token-ties.ts'

/** What the engine works with. */
export interface EngineParts {
  /** Guarded store. */
  readonly store: SessionStore | IndexedSessionStore | RevokingSessionStore
  readonly clock: StoreClock
  readonly lifetime: Lifetime
  readonly events: EventHub
  readonly mintId: () => string
  readonly random: () => number
  /** How long the old id of a user's session still finds it, in milliseconds. */
  readonly grace: number
  /** Ends the tokens that are tied to a session. */
  readonly revocations: TokenRevocations | undefined
}

/** A session with the id that its browser gets. */
export interface OwnedSession {
  readonly id: string
  readonly snapshot: Snapshot
}

/** What a key stands for. */
export type Found =
  | { readonly kind: 'session'; readonly snapshot: Snapshot }
  /** The visitor's session with this key became a user's, under the key `by`. */
  | { readonly kind: 'superseded'; readonly by: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'corrupt' }

/** What an id stands for. `id` differs from the one asked for when the session moved: the browser must be told. */
export type Resolution =
  | (Found & { readonly kind: 'session'; readonly id: string })
  | Exclude<Found, { kind: 'session' }>

/** What is stored under a key. */
type Reading = DecodedRecord | 'unknown' | 'corrupt'

/** How new an answer must be: the newest that the store has, or not older than what a cookie's stamp says. */
export type Freshness = 'newest' | { readonly stamp: string | undefined }

/** What is stored of a session, before it has a key. */
export type SessionFields = Omit<Snapshot, 'key' | 'version'>

/** No attributes. */
export const EMPTY: Attributes = Object.freeze({})
/** A store that refuses within so many milliseconds is asked again under another key, so often in all. */
const QUICK_REFUSAL = 20
const MAX_INSERTS = 3
/** For what no cookie says anything about. */
const UNSTAMPED: Freshness = { stamp: undefined }
const UNKNOWN = Object.freeze({ kind: 'unknown' })
/** A key may lead through this many rotations within one grace. */
const MAX_ALIASES = 8

/** The engine of one session manager. */
export type Engine = ReturnType<typeof createEngine>

/** Creates an engine. */
export function createEngine(parts: EngineParts) {
  const { store, clock, lifetime, events, mintId, revocations } = parts

  function fetch(key: string, freshness: Freshness): StoredSession | Promise<StoredSession | undefined> {
    const { copies } = store
    if (!copies) return store.read(key)
    if (freshness === 'newest') return copies.fresh(key)
    const floor = freshness.stamp === undefined ? 0 : copies.floor(key, freshness.stamp)
    return copies.peek(key, clock.now(), floor) ?? store.read(key, floor)
  }

  /**
   * Reads a record, and makes of it what `use` says.
   *
   * No async function, and no promise for a copy: this is on the path of every request.
   */
  function read<Result>(
    key: string,
    freshness: Freshness,
    use: (reading: Reading) => Result | Promise<Result>,
  ): Result | Promise<Result> {
    const understand = (stored: StoredSession | undefined) => {
      if (!stored) return use('unknown')
      const record = decodeRecord(stored)
      return record ? use(record) : setAside(key).then(use)
    }
    const stored = fetch(key, freshness)
    if (!(stored instanceof Promise)) return understand(stored)
    return stored.then(understand, (error: unknown) => {
      if (error instanceof CorruptRecordError) return setAside(key).then(use)
      throw error
    })
  }

  async function setAside(key: string): Promise<'corrupt'> {
    if (await store.quarantine(key)) events.emit('corrupt', { handle: key })
    return 'corrupt'
  }

  /**
   * Finds what an id stands for, on any server, within one round trip unless it was just rotated.
   *
   * @param hops How many rotations have led here.
   */
  function resolve(id: string, freshness: Freshness = 'newest', hops = 0): Resolution | Promise<Resolution> {
    return read(keyOf(id), freshness, (record) => {
      if (typeof record === 'string') return { kind: record }
      if (record.kind === 'session') return { kind: 'session', id, snapshot: record.snapshot }
      // The pointer's own instant counts: a touch that came late may have prolonged its record.
      if (record.until <= clock.now()) return UNKNOWN
      if (record.kind === 'superseded') return record
      const successor = openSuccessor(id, record.sealedId)
      if (successor === undefined || hops === MAX_ALIASES) return UNKNOWN
      // A stamp speaks of one record.
      return resolve(successor, freshness === 'newest' ? freshness : UNSTAMPED, hops + 1)
    })
  }

  /** What a copy in this process says of an id while the store gives no answer, if it may still be used. */
  function recall(id: string): OwnedSession | undefined {
    const stored = store.copies?.stale(keyOf(id), clock.now())
    const record = stored && decodeRecord(stored)
    return record?.kind === 'session' ? { id, snapshot: record.snapshot } : undefined
  }

  /**
   * Finds the newest state of a session by key. Nobody gets in by a key, so pointers lead to it as long as they are there.
   *
   * @param trail Gets every key on the way, the last one included.
   */
  async function follow(key: string, trail?: Set<string>): Promise<Found> {
    let current = key
    for (let hops = 0; hops <= MAX_ALIASES; hops++) {
      trail?.add(current)
      const record = await read(current, 'newest', asRead)
      if (typeof record === 'string') return { kind: record }
      if (record.kind !== 'alias') return record
      current = record.to
    }
    return { kind: 'unknown' }
  }

  /** Stores a visitor's first session. */
  async function create(changes: readonly Change[]): Promise<OwnedSession> {
    await clock.sync()
    const attributes = applyChanges(EMPTY, changes, 'report')
    const owned = await insert(newSession(clock.now(), { attributes }))
    events.emit('created', { handle: owned.snapshot.key, principal: undefined })
    return owned
  }

  /** A session that is used now, with what is not given at its start. */
  function newSession(now: number, fields: Partial<SessionFields>): SessionFields {
    const { createdAt = now, remembered = false } = fields
    return {
      principal: undefined,
      attributes: EMPTY,
      regeneratedAt: undefined,
      device: undefined,
      replaces: undefined,
      unknown: undefined,
      ...fields,
      createdAt,
      remembered,
      lastSeenAt: now,
      expiresAt: lifetime.expiresAt(createdAt, now, remembered),
    }
  }

  /** Stores a session under an id that was never used. */
  async function insert(session: SessionFields): Promise<OwnedSession> {
    const record = checkSize(toRecord(session))
    const startedAt = performance.now()
    for (let attempt = 1; ; attempt++) {
      const id = mintId()
      const key = keyOf(id)
      try {
        const result = await store.create(key, record)
        if (result.outcome === 'written')
          return { id, snapshot: { ...session, key, version: result.version } }
        throw new StoreUnavailableError(
          `Cannot create a session as the ${store.name} store refused a new key`,
        )
      } catch (error) {
        // Where keys are spread over nodes and one of them is down, another id leads to another node. If the first
        // was stored after all, it is a session whose id nobody knows.
        if (attempt === MAX_INSERTS || performance.now() - startedAt >= QUICK_REFUSAL) throw error
      }
    }
  }

  /**
   * Ends a session wherever it has moved to.
   *
   * It is looked up first: when the store fails half-way, the pointers are still there for whoever tries again.
   */
  async function remove(key: string): Promise<Found> {
    const found = await follow(key)
    if (found.kind !== 'session') return found
    const sid = tokenSessionOf(found.snapshot.attributes)
    // Before the session: who was told that this failed finds it still there, and tries again.
    if (sid !== undefined) await revocations?.revokeSession(sid, found.snapshot.principal)
    const removed = await store.delete(found.snapshot.key)
    const decoded = removed && decodeRecord(removed)
    if (!decoded) return { kind: 'unknown' }
    const late = decoded.kind === 'session' ? tokenSessionOf(decoded.snapshot.attributes) : undefined
    if (late !== undefined && late !== sid) await revocations?.revokeSession(late, found.snapshot.principal)
    // It moved between the two calls; what was deleted is the pointer to it.
    return decoded.kind === 'alias' ? remove(decoded.to) : decoded
  }

  return { resolve, recall, follow, create, newSession, insert, remove }
}

function asRead(reading: Reading): Reading {
  return reading
}

/** @throws {SessionTooLargeError} when a store need not accept it. */
export function checkSize<Sized extends { readonly data: string }>(record: Sized): Sized {
  if (record.data.length <= MAX_RECORD_LENGTH) return record
  throw new SessionTooLargeError(
    `Cannot store a session of ${record.data.length} characters as the limit is ${MAX_RECORD_LENGTH}: keep what is large elsewhere and its key in the session`,
  )
}
