/**
 * Sessions in a store: found by id, created, moved to a new id, ended. Knows no cookies and no requests.
 *
 * @module
 */

import {
  type IndexedSessionStore,
  type SessionStore,
  StoreUnavailableError,
  type StoredSession,
} from '../stores/store.ts'
import { CorruptRecordError, MAX_RECORD_LENGTH } from '../stores/store.ts'
import { type Attributes, applyChanges, type Change } from './attributes.ts'
import type { StoreClock } from './clock.ts'
import { SessionTooLargeError } from './errors.ts'
import type { EventHub } from './events.ts'
import { keyOf } from './id.ts'
import type { Lifetime } from './lifetime.ts'
import {
  decodeRecord,
  type DecodedRecord,
  type Device,
  encodeAlias,
  encodeSuperseded,
  type Snapshot,
  toRecord,
} from './record.ts'
import { attempts } from './retries.ts'
import { openSuccessor, sealSuccessor } from './successor.ts'

/** What the engine works with. */
export interface EngineParts {
  /** Guarded store. */
  readonly store: SessionStore | IndexedSessionStore
  readonly clock: StoreClock
  readonly lifetime: Lifetime
  readonly events: EventHub
  readonly mintId: () => string
  readonly random: () => number
  /** How long the old id of a user's session still finds it, in milliseconds. */
  readonly grace: number
}

/** What an id stands for. */
export type Resolution =
  /** `id` differs from the one asked for when the session moved: the browser must be told. */
  | { readonly kind: 'session'; readonly id: string; readonly snapshot: Snapshot }
  /** The visitor's session with this id became a user's, under the key `by`. */
  | { readonly kind: 'superseded'; readonly by: string }
  | { readonly kind: 'unknown' }
  | { readonly kind: 'corrupt' }

/** A session with the id that its browser gets. */
export interface OwnedSession {
  readonly id: string
  readonly snapshot: Snapshot
}

type SessionFields = Omit<Snapshot, 'key' | 'version'>

/** What a login brings along. */
export interface Login {
  readonly principal: string
  readonly remembered: boolean
  readonly device: Device
  /** Where the visitor's session went, when a parallel request or an answer that got lost logged in first. */
  readonly supersededBy: string | undefined
}

/** A record's key may lead through this many rotations within one grace. */
const MAX_ALIASES = 8
const EMPTY: Attributes = Object.freeze({})

/** The engine of one session manager. */
export type Engine = ReturnType<typeof createEngine>

/** Creates an engine. */
export function createEngine(parts: EngineParts) {
  const { store, clock, lifetime, events, mintId, random, grace } = parts

  async function readRecord(
    key: string,
  ): Promise<{ stored: StoredSession; decoded: DecodedRecord } | 'unknown' | 'corrupt'> {
    try {
      const stored = await store.read(key)
      if (!stored) return 'unknown'
      const decoded = decodeRecord(stored)
      if (decoded) return { stored, decoded }
    } catch (error) {
      if (!(error instanceof CorruptRecordError)) throw error
    }
    await store.quarantine(key)
    events.emit('corrupt', { handle: key })
    return 'corrupt'
  }

  /** Finds what an id stands for, on any server, within one round trip unless it was just rotated. */
  async function resolve(id: string): Promise<Resolution> {
    let current = id
    for (let hops = 0; hops <= MAX_ALIASES; hops++) {
      const found = await readRecord(keyOf(current))
      if (typeof found === 'string') return { kind: found }
      const { decoded } = found
      if (decoded.kind === 'session') return { kind: 'session', id: current, snapshot: decoded.snapshot }
      if (decoded.kind === 'superseded') return { kind: 'superseded', by: decoded.by }
      const successor = openSuccessor(current, decoded.sealedId)
      if (successor === undefined) return { kind: 'unknown' }
      current = successor
    }
    return { kind: 'unknown' }
  }

  /** Finds the newest state of a session by key. */
  async function follow(key: string): Promise<Snapshot | 'superseded' | undefined> {
    let current = key
    for (let hops = 0; hops <= MAX_ALIASES; hops++) {
      const found = await readRecord(current)
      if (typeof found === 'string') return undefined
      const { decoded } = found
      if (decoded.kind === 'session') return decoded.snapshot
      if (decoded.kind === 'superseded') return 'superseded'
      current = decoded.to
    }
    return undefined
  }

  /** Stores a visitor's first session. */
  async function create(changes: readonly Change[]): Promise<OwnedSession> {
    const now = clock.now()
    const session = newSession(now, { attributes: applyChanges(EMPTY, changes) })
    const owned = await insert(session)
    events.emit('created', { handle: owned.snapshot.key, principal: undefined })
    return owned
  }

  function newSession(now: number, fields: Partial<Snapshot>): SessionFields {
    return {
      principal: undefined,
      createdAt: now,
      lastSeenAt: now,
      attributes: EMPTY,
      remembered: false,
      regeneratedAt: undefined,
      device: undefined,
      unknown: undefined,
      ...fields,
      expiresAt: lifetime.expiresAt(fields.createdAt ?? now, now, fields.remembered ?? false),
    }
  }

  async function insert(session: SessionFields): Promise<OwnedSession> {
    const record = checkSize(toRecord(session))
    const id = mintId()
    const key = keyOf(id)
    const result = await store.create(key, record)
    if (result.outcome !== 'written') {
      throw new StoreUnavailableError(`Cannot create a session as the ${store.name} store refused a new key`)
    }
    return { id, snapshot: { ...session, key, version: result.version } }
  }

  /**
   * Logs a user in under a new id.
   *
   * The id from before lets nobody in any more: a visitor's at once, as an attacker may have planted it; the same
   * user's after the grace. Another user's session is ended and nothing of it is carried over.
   */
  async function login(
    current: OwnedSession | undefined,
    changes: readonly Change[],
    login: Login,
  ): Promise<OwnedSession> {
    const { principal, remembered, device, supersededBy } = login
    const previous = current?.snapshot
    const sameOwner = previous && (previous.principal === undefined || previous.principal === principal)
    const recovered = supersededBy === undefined ? undefined : await recoverLostLogin(supersededBy, principal)
    const now = clock.now()
    const next = (from: Snapshot | undefined): SessionFields =>
      newSession(now, {
        principal,
        remembered,
        device,
        attributes: applyChanges(from?.attributes ?? recovered?.attributes ?? EMPTY, changes),
        unknown: from?.unknown,
      })
    const inserted = await insert(next(sameOwner ? previous : undefined))
    // When the session from before is gone or was moved by a parallel request, the login stands on its own.
    const owned = (sameOwner && (await retireBehind(current, inserted, next))) || inserted
    if (previous && !sameOwner) await remove(previous.key)
    if (recovered) await remove(recovered.key)
    events.emit('login', { handle: owned.snapshot.key, principal, previous: previous?.key })
    return owned
  }

  /** The same user logs in again with the visitor's id, as the answer with the new one never arrived. */
  async function recoverLostLogin(key: string, principal: string): Promise<Snapshot | undefined> {
    const found = await follow(key)
    return typeof found === 'object' && found.principal === principal ? found : undefined
  }

  /** Gives a session a new id. `undefined` when it is gone; then nothing was stored. */
  async function regenerate(current: OwnedSession): Promise<OwnedSession | undefined> {
    const now = clock.now()
    const owned = await insert(renewed(current.snapshot, now))
    const moved = await retireBehind(current, owned, (from) => renewed(from, now))
    if (moved) {
      const { key, principal } = moved.snapshot
      events.emit('rotated', { handle: key, principal, previous: current.snapshot.key })
      return moved
    }
    await store.delete(owned.snapshot.key)
    // A parallel request was first: everybody gets the id that it minted, so that the browser keeps one.
    const found = await resolve(current.id)
    return found.kind === 'session' ? found : undefined
  }

  function renewed(from: Snapshot, now: number): SessionFields {
    return newSession(now, { ...from, lastSeenAt: now, regeneratedAt: now })
  }

  /**
   * Turns the record of a session that was stored under a new key into a pointer, conditional on its version.
   *
   * In this order nothing is lost when the process dies in between: the new record has an id that nobody knows.
   *
   * @returns `undefined` when the old session is not there any more: revoked, or moved by a parallel request.
   */
  async function retireBehind(
    old: OwnedSession,
    owned: OwnedSession,
    next: (from: Snapshot) => SessionFields,
  ): Promise<OwnedSession | undefined> {
    let from = old.snapshot
    let { snapshot } = owned
    try {
      for await (const attempt of attempts(random)) {
        if (attempt > 0) snapshot = await overwrite(snapshot, next(from))
        const retired = await store.write(from.key, from.version, retire(from, old.id, owned))
        if (retired.outcome === 'written') return { id: owned.id, snapshot }
        const newer = retired.outcome === 'conflict' ? await readRecord(from.key) : 'unknown'
        if (typeof newer === 'string' || newer.decoded.kind !== 'session') return undefined
        from = newer.decoded.snapshot
      }
      return undefined
    } catch (error) {
      await store.delete(owned.snapshot.key).catch(() => undefined)
      throw error
    }
  }

  async function overwrite(snapshot: Snapshot, session: SessionFields): Promise<Snapshot> {
    const result = await store.write(snapshot.key, snapshot.version, checkSize(toRecord(session)))
    if (result.outcome !== 'written') {
      throw new StoreUnavailableError(`Cannot move a session as the ${store.name} store lost the new one`)
    }
    return { ...session, key: snapshot.key, version: result.version }
  }

  /** The record that stays under the old key. It is nobody's session, so that it is not listed. */
  function retire(from: Snapshot, id: string, successor: OwnedSession) {
    const now = clock.now()
    const { key, principal } = successor.snapshot
    const sameState = from.principal === principal
    return {
      data: sameState ? encodeAlias(key, sealSuccessor(id, successor.id)) : encodeSuperseded(key),
      principal: undefined,
      createdAt: from.createdAt,
      lastSeenAt: from.lastSeenAt,
      expiresAt: Math.min(now + grace, from.expiresAt),
    }
  }

  /** Ends a session wherever it has moved to. `undefined` when there was none. */
  async function remove(key: string): Promise<Snapshot | undefined> {
    let current = key
    for (let hops = 0; hops <= MAX_ALIASES; hops++) {
      const removed = await store.delete(current)
      const decoded = removed && decodeRecord(removed)
      if (!decoded || decoded.kind === 'superseded') return undefined
      if (decoded.kind === 'session') return decoded.snapshot
      current = decoded.to
    }
    return undefined
  }

  return { resolve, follow, create, login, regenerate, remove }
}

/** @throws {SessionTooLargeError} when a store need not accept it. */
export function checkSize<Sized extends { readonly data: string }>(record: Sized): Sized {
  if (record.data.length <= MAX_RECORD_LENGTH) return record
  throw new SessionTooLargeError(
    `Cannot store a session of ${record.data.length} characters as the limit is ${MAX_RECORD_LENGTH}: keep what is large elsewhere and its key in the session`,
  )
}
