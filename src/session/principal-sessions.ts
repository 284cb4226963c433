/**
 * All sessions of one user: listed, revoked, limited (ASVS 7.4.2–7.5.2).
 *
 * @module
 */

import type { IndexedSessionStore, RevokingSessionStore } from '../stores/store.ts'
import type { Engine, EngineParts } from './engine.ts'
import type { EventHub, SessionEvents } from './events.ts'
import { decodeRecord, type Device, type Snapshot } from './record.ts'

/** One session of a user, as it is listed. */
export interface SessionInfo {
  /** Public handle, with which it is revoked. */
  readonly handle: string
  /** When its user logged in, in milliseconds since the Unix epoch. */
  readonly createdAt: number
  /** Last recorded use, coarsely. */
  readonly lastSeenAt: number
  /** First instant at which it will be gone, unless it is used before. */
  readonly expiresAt: number
  /** Whether its login outlives the browser. */
  readonly remembered: boolean
  /** The client that logged in, as it described itself; `undefined` when that was not recorded. */
  readonly device: Device | undefined
}

/** Options of {@link PrincipalSessions.revoke}. */
export interface RevokeOptions {
  /** The session that stays: usually the caller's own. */
  readonly except: { readonly handle: string | undefined }
}

/** The sessions of one user. */
export interface PrincipalSessions {
  /** Lists them, last used first. */
  list(): Promise<readonly SessionInfo[]>
  /**
   * Ends them: all, all but one, or the one with this handle if it is this user's.
   *
   * When it resolves, they let nobody in any more, on any server.
   *
   * @returns How many were ended.
   */
  revoke(which?: string | RevokeOptions): Promise<number>
}

/** The sessions of one user on a store that cannot find them, but end them. */
export interface PrincipalRevocation {
  /** Never there, where {@link PrincipalSessions} has it: `if (own.list)` tells them apart. */
  readonly list?: undefined
  /**
   * Ends them: all, all but one, or the one with this handle if it is this user's.
   *
   * When it resolves, they let nobody in any more, on any server.
   *
   * @returns How many were ended; `undefined` where they are ended at once and nobody counts them.
   */
  revoke(which?: string | RevokeOptions): Promise<number | undefined>
}

/** Finds and ends sessions by user. */
export interface PrincipalIndex {
  /** `undefined` is nobody: an empty list, nothing to revoke. */
  of(principal: string | undefined): PrincipalSessions
  /** Ends the least recently used sessions beyond the limit; `keep` is not one of them. */
  enforceLimit(principal: string, keep: string): Promise<void>
}

/**
 * Creates the index of a session manager.
 *
 * @param limit Most sessions a user can have.
 */
export function createPrincipalIndex(
  store: IndexedSessionStore,
  engine: Engine,
  { events, revocations }: Pick<EngineParts, 'events' | 'revocations'>,
  limit: number,
): PrincipalIndex {
  async function find(principal: string): Promise<Snapshot[]> {
    const stored = await store.list(principal)
    const snapshots = stored.flatMap((record) => {
      const decoded = decodeRecord(record)
      return decoded?.kind === 'session' ? [decoded.snapshot] : []
    })
    return snapshots.sort(
      (one, other) => other.lastSeenAt - one.lastSeenAt || other.createdAt - one.createdAt,
    )
  }

  const end = (sessions: readonly Snapshot[], by: SessionEvents['revoked']['by']): Promise<number> =>
    endAll(engine, events, sessions, by)

  return {
    of(principal) {
      if (principal === undefined) return { list: async () => [], revoke: async () => 0 }
      return {
        async list() {
          return withoutTwins(await find(principal)).map(toInfo)
        },
        async revoke(which) {
          if (typeof which === 'string') return end(await findOne(engine, principal, which), 'user')
          // Tokens may outlive the session that they were issued for, so they are not found by it.
          await revocations?.revokeUser(principal)
          const sessions = await find(principal)
          const kept = which?.except.handle
          // After the list, and with every key on the way: a parallel request may be moving the session that stays, which is
          // then listed under its old key, under its new one, or under both.
          const trail = new Set<string>()
          const keep = kept === undefined ? [] : await findOne(engine, principal, kept, trail)
          const stays = ({ key, replaces = '' }: Snapshot) => trail.has(key) || trail.has(replaces)
          return end(keep.length === 0 ? sessions : sessions.filter((session) => !stays(session)), 'user')
        },
      }
    },
    async enforceLimit(principal, keep) {
      if (limit === Number.POSITIVE_INFINITY) return
      const others = withoutTwins(await find(principal)).filter(({ key }) => key !== keep)
      await end(others.slice(limit - 1), 'limit')
    },
  }
}

/** Ends the sessions of one user on a store that cannot find them. `undefined` is nobody. */
export function createPrincipalRevocation(
  store: RevokingSessionStore,
  engine: Engine,
  { events, revocations }: Pick<EngineParts, 'events' | 'revocations'>,
): (principal: string | undefined) => PrincipalRevocation {
  return (principal) => ({
    async revoke(which) {
      if (principal === undefined) return 0
      if (typeof which === 'string') {
        return endAll(engine, events, await findOne(engine, principal, which), 'user')
      }
      const kept = which?.except.handle
      const [keep] = kept === undefined ? [] : await findOne(engine, principal, kept)
      await revocations?.revokeUser(principal)
      await store.revokeAll(principal, keep?.key)
      events.emit('revokedAll', { principal, except: keep?.key })
      return undefined
    },
  })
}

/**
 * The user's session with this handle, which may be from before a rotation. Empty when it is not theirs.
 *
 * @param trail Gets every key that led to it.
 */
async function findOne(
  engine: Engine,
  principal: string,
  handle: string,
  trail?: Set<string>,
): Promise<Snapshot[]> {
  const found = await engine.follow(handle, trail)
  return found.kind === 'session' && found.snapshot.principal === principal ? [found.snapshot] : []
}

/** Ends sessions wherever they have moved to; resolves to how many there were still. */
async function endAll(
  engine: Engine,
  events: EventHub,
  sessions: readonly Snapshot[],
  by: SessionEvents['revoked']['by'],
): Promise<number> {
  const ended = await Promise.all(sessions.map(({ key }) => engine.remove(key)))
  const removed = ended.flatMap((found) => (found.kind === 'session' ? [found.snapshot] : []))
  for (const { key, principal } of removed) events.emit('revoked', { handle: key, principal, by })
  return removed.length
}

/** While a session is moved to a new id it is stored twice for a moment. */
function withoutTwins(sessions: readonly Snapshot[]): readonly Snapshot[] {
  const keys = new Set(sessions.map(({ key }) => key))
  return sessions.filter(({ replaces }) => replaces === undefined || !keys.has(replaces))
}

/** What is told of a session. */
export function toInfo({ key, createdAt, lastSeenAt, expiresAt, remembered, device }: Snapshot): SessionInfo {
  return { handle: key, createdAt, lastSeenAt, expiresAt, remembered, device }
}
