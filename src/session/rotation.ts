/**
 * New ids for sessions: at a login, and whenever an id has been in use for long enough.
 *
 * @module
 */

import { type SessionRecord, StoreUnavailableError } from '../stores/store.ts'
import { applyChanges, type Change } from './attributes.ts'
import {
  checkSize,
  EMPTY,
  type Engine,
  type EngineParts,
  type OwnedSession,
  type Resolution,
  type SessionFields,
} from './engine.ts'
import { SessionConflictError } from './errors.ts'
import {
  type Device,
  encodeAlias,
  encodeSuperseded,
  POINTER_PRINCIPAL,
  type Snapshot,
  toRecord,
} from './record.ts'
import { pauseBefore } from './retries.ts'
import { sealSuccessor } from './successor.ts'

/** How long the old id of a session is known, in milliseconds: longer than any request takes. */
const POINTER_LIFETIME = 300_000

/** Who logs in, and how. */
export interface Login {
  readonly principal: string
  readonly remembered: boolean
  readonly device: Device
  /** Where the visitor's session went, when a parallel request or an answer that got lost logged in first. */
  readonly supersededBy: string | undefined
}

/** Moves sessions to new ids. */
export interface Rotation {
  /**
   * Logs a user in under a new id.
   *
   * The id from before lets nobody in any more: a visitor's at once, as an attacker may have planted it; the same
   * user's after the grace. Another user's session is ended and nothing of it is carried over.
   */
  login(current: OwnedSession | undefined, changes: readonly Change[], login: Login): Promise<OwnedSession>
  /** Gives a session a new id, and tells what is in its place when it is not there any more. */
  regenerate(current: OwnedSession): Promise<Resolution>
}

/** Creates the rotation of one session manager. */
export function createRotation(parts: EngineParts, engine: Engine): Rotation {
  const { store, clock, events, random, grace } = parts

  async function login(
    current: OwnedSession | undefined,
    changes: readonly Change[],
    who: Login,
  ): Promise<OwnedSession> {
    const { principal, remembered, device } = who
    const before = current?.snapshot
    const own = before?.principal === undefined || before.principal === principal ? current : undefined
    await clock.sync()
    const lost = await findLostLogin(who)
    const now = clock.now()
    const next = (from: Snapshot | undefined): SessionFields =>
      engine.newSession(now, {
        principal,
        remembered,
        device,
        attributes: applyChanges(from?.attributes ?? EMPTY, changes, 'report'),
        unknown: from?.unknown,
        replaces: from?.key,
      })

    let owned = await engine.insert(next(own?.snapshot ?? lost))
    // When the session from before is gone or was moved by a parallel request, the login stands on its own.
    if (own) {
      const moved = await retireBehind(own, owned, next, 'wherever it is')
      if (moved === 'ended') throw endedAtOnce()
      if (moved !== 'overtaken') owned = moved
    }
    if (before && !own) await endOther(before)
    if (lost) owned = await takeOver(lost, owned, next)
    events.emit('login', { handle: owned.snapshot.key, principal, previous: before?.key })
    return owned
  }

  /** The same user logs in again with the visitor's id, as the answer with the new one never arrived. */
  async function findLostLogin({ supersededBy, principal }: Login): Promise<Snapshot | undefined> {
    const found = supersededBy === undefined ? undefined : await engine.follow(supersededBy)
    return found?.kind === 'session' && found.snapshot.principal === principal ? found.snapshot : undefined
  }

  /** Another user was logged in on this browser. */
  async function endOther({ key }: Snapshot): Promise<void> {
    const ended = await engine.remove(key)
    if (ended.kind !== 'session') return
    events.emit('destroyed', { handle: ended.snapshot.key, principal: ended.snapshot.principal })
  }

  /** Ends the session of a lost login, with what was stored in it since it was read. */
  async function takeOver(
    lost: Snapshot,
    owned: OwnedSession,
    next: (from: Snapshot) => SessionFields,
  ): Promise<OwnedSession> {
    const ended = await engine.remove(lost.key)
    if (ended.kind !== 'session' || ended.snapshot.version === lost.version) return owned
    const snapshot = await overwrite(owned.snapshot, next(ended.snapshot))
    if (!snapshot) throw endedAtOnce()
    return { id: owned.id, snapshot }
  }

  async function regenerate(current: OwnedSession): Promise<Resolution> {
    const now = clock.now()
    const next = (from: Snapshot): SessionFields =>
      engine.newSession(now, { ...from, regeneratedAt: now, replaces: from.key })
    const owned = await engine.insert(next(current.snapshot))
    const moved = await retireBehind(current, owned, next, 'where it was')
    if (typeof moved === 'object') {
      const { key, principal } = moved.snapshot
      events.emit('rotated', { handle: key, principal, previous: current.snapshot.key })
      return { kind: 'session', ...moved }
    }
    await store.delete(owned.snapshot.key)
    // A parallel request was first: everybody gets the id that it minted, so that the browser keeps one.
    return engine.resolve(current.id)
  }

  /**
   * Turns the record of a session that was stored under a new key into a pointer, conditional on its version.
   *
   * In this order nothing is lost when the process dies in between: the new record has an id that nobody knows.
   *
   * @param target Whether a session that a parallel request moved meanwhile is followed.
   * @returns `overtaken` when the old session is not there any more: revoked, or moved by a parallel request; `ended`
   * when the new one was revoked meanwhile.
   */
  async function retireBehind(
    old: OwnedSession,
    owned: OwnedSession,
    next: (from: Snapshot) => SessionFields,
    target: 'where it was' | 'wherever it is',
  ): Promise<OwnedSession | 'overtaken' | 'ended'> {
    let from = old
    let { snapshot } = owned
    const startedAt = performance.now()
    try {
      for (let attempt = 0; ; attempt++) {
        if (attempt > 0) {
          await pauseBefore(attempt, startedAt, random)
          const newer = await overwrite(snapshot, next(from.snapshot))
          if (!newer) return 'ended'
          snapshot = newer
        }
        const { key, version } = from.snapshot
        const retired = await store.write(key, version, retire(from, owned))
        if (retired.outcome === 'written') return { id: owned.id, snapshot }
        const found = retired.outcome === 'conflict' ? await engine.resolve(from.id) : undefined
        if (found?.kind !== 'session') return 'overtaken'
        if (found.id !== from.id && target === 'where it was') return 'overtaken'
        from = found
      }
    } catch (error) {
      // A write that got no answer may have been stored: then the old id leads to the new session, which must stay.
      // Otherwise it is a session whose id nobody knows.
      if (!(error instanceof StoreUnavailableError))
        await store.delete(owned.snapshot.key).catch(() => undefined)
      throw error
    }
  }

  /** Nobody else knows the id of the new session, so it can only have been ended. */
  async function overwrite(snapshot: Snapshot, session: SessionFields): Promise<Snapshot | undefined> {
    const result = await store.write(snapshot.key, snapshot.version, checkSize(toRecord(session)))
    return result.outcome === 'written'
      ? { ...session, key: snapshot.key, version: result.version }
      : undefined
  }

  /** The record that stays under the old key. It is longer there than it leads anybody in: whoever ends a session by
   * a handle from before the rotation still finds it. */
  function retire({ id, snapshot: from }: OwnedSession, successor: OwnedSession): SessionRecord {
    const { key, principal } = successor.snapshot
    const until = Math.min(clock.now() + grace, from.expiresAt)
    return {
      data:
        from.principal === principal
          ? encodeAlias(key, sealSuccessor(id, successor.id), until)
          : encodeSuperseded(key, until),
      principal: POINTER_PRINCIPAL,
      createdAt: from.createdAt,
      lastSeenAt: from.lastSeenAt,
      expiresAt: Math.min(clock.now() + Math.max(grace, POINTER_LIFETIME), from.expiresAt),
    }
  }

  return { login, regenerate }
}

function endedAtOnce(): SessionConflictError {
  return new SessionConflictError('Cannot log in as the new session was ended while it was made: try again')
}
