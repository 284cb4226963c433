/**
 * Sessions without a store: their only copy is sealed into the cookie, and what ends them early is a revocation.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { StoreUnavailableError } from '../../stores/store.ts'
import { type Attributes, applyChanges, type Change } from '../attributes.ts'
import type { Commits } from '../commits.ts'
import type { CookieValues } from '../cookie-value.ts'
import { EMPTY, type OwnedSession, type Resolution } from '../engine.ts'
import { SessionTooLargeError } from '../errors.ts'
import type { EventHub } from '../events.ts'
import type { Lifetime } from '../lifetime.ts'
import type { Snapshot } from '../record.ts'
import type { Login, Rotation } from '../rotation.ts'
import type { SessionEngine } from '../host.ts'
import { type TokenRevocations, tokenSessionOf } from '../token-ties.ts'
import { BINDING_BYTES, type Sealer } from './seal.ts'
import { decodeSnapshot, encodeSnapshot, type SealedSnapshot, secondOf } from './snapshot-text.ts'

/** The list of what was revoked, as `createRevocations` of `coatcheck/tokens` keeps it. */
export interface SealedRevocations extends TokenRevocations {
  /** How long a revoked session is remembered at least, in milliseconds: no session may live longer. */
  readonly tokenLifetime: number
  /** Whether a login still counts. `unknown`: the list may be stale beyond its bound. `iat` is in seconds. */
  check(claims: {
    readonly sub: string
    readonly sid: string
    readonly iat: number
  }): 'valid' | 'revoked' | 'unknown'
  /** The second of issue for what is issued to this user in that second: never one that is revoked. */
  issuedAt(sub: string, seconds: number): number
}

/** What the engine works with. */
export interface SealedParts {
  readonly sealer: Sealer
  readonly revocations: SealedRevocations
  readonly lifetime: Lifetime
  readonly events: EventHub
  /** Longest name and value of the cookie together, in bytes. */
  readonly limit: number
  /** Length of the cookie's name in bytes. */
  readonly nameLength: number
  /** Clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
}

const RANDOM_BYTES = 16
const SHAPE = /^[A-Za-z0-9_-]{60,4096}$/

/** Creates an engine. */
export function createSealedEngine(parts: SealedParts) {
  const { sealer, revocations, lifetime, events, limit, nameLength, now } = parts
  const texts = new WeakMap<Snapshot, string>()

  /** Seals a session, which must fit into a cookie. */
  function own(session: SealedSnapshot): OwnedSession {
    const text = encodeSnapshot(session)
    expectToFit(Buffer.byteLength(text))
    const id = sealer.seal(text)
    texts.set(session, id)
    return { id, snapshot: session }
  }

  function expectToFit(bytes: number): void {
    const length = nameLength + 1 + sealer.sealedLength(bytes)
    if (length <= limit) return
    throw new SessionTooLargeError(
      `Cannot seal a session into a cookie of ${length} bytes as browsers keep ${limit}: keep less in it, or keep sessions in a store`,
    )
  }

  function mint(principal: string | undefined): string {
    const random = randomBytes(RANDOM_BYTES)
    const tail = principal === undefined ? randomBytes(BINDING_BYTES) : sealer.bind(random, principal)
    return Buffer.concat([random, tail]).toString('base64url')
  }

  function begin(principal: string | undefined, attributes: Attributes, remembered: boolean): SealedSnapshot {
    const instant = now()
    return {
      key: mint(principal),
      version: 1,
      principal,
      createdAt: instant,
      issuedAt: issuedAt(principal, instant),
      lastSeenAt: instant,
      expiresAt: lifetime.expiresAt(instant, instant, remembered),
      attributes,
      remembered,
      regeneratedAt: undefined,
      device: undefined,
      replaces: undefined,
      unknown: undefined,
    }
  }

  function issuedAt(principal: string | undefined, instant: number): number {
    const second = secondOf(instant)
    return principal === undefined ? second : revocations.issuedAt(principal, second)
  }

  /** The next state of a session that is used now. */
  function next(session: SealedSnapshot, changes: Partial<SealedSnapshot>): SealedSnapshot {
    const lastSeenAt = Math.max(session.lastSeenAt, now())
    const expiresAt = Math.max(
      session.expiresAt,
      lifetime.expiresAt(session.createdAt, lastSeenAt, session.remembered),
    )
    return { ...session, lastSeenAt, expiresAt, version: session.version + 1, ...changes }
  }

  /** @throws {StoreUnavailableError} when a user's login cannot be checked. A visitor has nothing to lose by it. */
  function isRevoked({ key, principal, issuedAt: iat }: SealedSnapshot): boolean {
    const verdict = revocations.check({ sub: principal ?? '', sid: key, iat })
    if (verdict !== 'unknown' || principal === undefined) return verdict === 'revoked'
    throw new StoreUnavailableError(
      'Cannot check a sealed session as the list of revocations may be stale: is what it is kept in reachable?',
    )
  }

  const engine: SessionEngine = {
    async create(changes) {
      const owned = own(begin(undefined, applyChanges(EMPTY, changes, 'report'), false))
      events.emit('created', { handle: owned.snapshot.key, principal: undefined })
      return owned
    },

    async resolve(id): Promise<Resolution> {
      const text = sealer.open(id)
      const session = text === undefined ? undefined : decodeSnapshot(text)
      if (!session || session.expiresAt <= now() || isRevoked(session)) return { kind: 'unknown' }
      const due = now() - session.lastSeenAt >= lifetime.touchInterval
      // What it was used for last is in the cookie too, so now and then it is sent again.
      return due
        ? { kind: 'session', ...own(next(session, { version: session.version })) }
        : { kind: 'session', id, snapshot: session }
    },

    recall: () => undefined,

    async remove(session) {
      const sid = tokenSessionOf(session.attributes)
      if (sid !== undefined) await revocations.revokeSession(sid, session.principal)
      await revocations.revokeSession(session.key, session.principal)
      return { kind: 'session', snapshot: session }
    },
  }

  const commits: Commits = {
    async commit(base, changes) {
      const session = base as SealedSnapshot
      if (isRevoked(session)) return { kind: 'unknown' }
      const attributes = applyChanges(session.attributes, changes, 'report')
      return { kind: 'session', snapshot: own(next(session, { attributes })).snapshot }
    },
  }

  const rotation: Rotation = {
    async login(current, changes: readonly Change[], { principal, remembered }: Login) {
      const before = current?.snapshot
      const same = before?.principal === undefined || before.principal === principal
      const carried = same ? (before?.attributes ?? EMPTY) : EMPTY
      const owned = own(begin(principal, applyChanges(carried, changes, 'report'), remembered))
      // A visitor's cookie from before stays a visitor's: it never becomes a login.
      if (before?.principal !== undefined) await revocations.revokeSession(before.key, before.principal)
      events.emit('login', { handle: owned.snapshot.key, principal, previous: before?.key })
      return owned
    },

    async regenerate(current) {
      const session = current.snapshot as SealedSnapshot
      if (isRevoked(session)) return { kind: 'unknown' }
      return { kind: 'session', ...own(next(session, { regeneratedAt: now() })) }
    },
  }

  const values: CookieValues = {
    followWrites: true,
    encode: ({ snapshot }) => texts.get(snapshot) ?? own(snapshot as SealedSnapshot).id,
    decode: (value) => (SHAPE.test(value) ? { id: value, stamp: undefined } : undefined),
  }

  return {
    engine,
    commits,
    rotation,
    values,
    /** Whether a handle is of a session of this user. */
    isOf(principal: string, handle: string): boolean {
      const bytes = Buffer.from(handle, 'base64url')
      if (bytes.length !== RANDOM_BYTES + BINDING_BYTES) return false
      return sealer.isBound(bytes.subarray(0, RANDOM_BYTES), principal, bytes.subarray(RANDOM_BYTES))
    },
    /** The same session, as if its user had just logged in: what was revoked until now does not touch it. */
    reissue(session: SealedSnapshot): OwnedSession {
      return own(next(session, { issuedAt: issuedAt(session.principal, now()) }))
    },
    expectRoom(session: Snapshot | undefined, attributes: Attributes): void {
      const base = (session as SealedSnapshot | undefined) ?? begin(undefined, EMPTY, false)
      expectToFit(Buffer.byteLength(encodeSnapshot({ ...base, attributes })))
    },
  }
}
