/**
 * A family of refresh tokens, as one record of a session store.
 *
 * @module
 */

import { hash } from 'node:crypto'
import type { SessionRecord, StoredSession } from '../../stores/store.ts'
import type { RefreshClaims } from '../refresh.ts'

/** All that is known of the refresh tokens of one login. None of it can be turned into a token without a key. */
export interface Family {
  /** User that logged in. */
  readonly sub: string
  /** Session id that its access tokens carry. */
  readonly sid: string
  readonly scope: string | undefined
  readonly clientId: string | undefined
  /** Number of the one token that is good; it only grows. */
  readonly generation: number
  /** Random text that the MACs cover. */
  readonly salt: string
  /** Name of the key that signs the token of {@link generation}. */
  readonly signedBy: string
  /** When the login was, by the store's clock, in milliseconds since the Unix epoch. */
  readonly startedAt: number
  /** Second from which on the login counts for revocations of a user: never one that is revoked already. */
  readonly issuedAt: number
  /** When {@link generation} was made. */
  readonly rotatedAt: number
  /** First instant at which it is too late to go on, unless it is used before. */
  readonly idleExpiresAt: number
  /** First instant at which it is too late in any case. It never moves. */
  readonly absoluteExpiresAt: number
  /**
   * `revoking`: no token is good any more, and the denial of its `sid` is still to be told. `revoked`: it was told.
   *
   * It never goes back.
   */
  readonly state: 'active' | 'revoking' | 'revoked'
}

/** A family with the record that it came from. */
export interface StoredFamily extends Family {
  /** Key of its record; names the family in lists and events, and is good for nothing else. */
  readonly handle: string
  readonly version: number
}

/** Principal of the families that are `revoking`, so that any server finds what another one left unfinished. */
export const REVOKING_PRINCIPAL = 'refresh.revoking'

/** How long a family that was ended can still be told from one that never was, in milliseconds. */
const REMEMBERED = 86_400_000

/** Wire names are short, as there are as many families as logins. */
interface FamilyData {
  /** Marks the format. A session never has it, and a family never has a session's `a`. */
  readonly refresh: 1
  readonly n: number
  readonly salt: string
  readonly key: string
  readonly sub: string
  readonly sid: string
  readonly scope?: string
  readonly client?: string
  readonly iat: number
  readonly at: number
  readonly idle: number
  readonly end: number
  readonly state: Family['state']
}

/**
 * Key of a family's record.
 *
 * Keys of sessions are hashes of 43 characters. What is hashed here is longer, so nobody can present a refresh token
 * as a session's cookie or the other way round, even where both lie in one table.
 */
export function handleOf(family: string): string {
  return hash('sha256', `coatcheck refresh family\n${family}`, 'base64url')
}

/** Principal under which the families of a user are listed. Not the user's own, which is for sessions. */
export function principalOf(sub: string): string {
  return `refresh:${sub}`
}

/**
 * The record of a family, for a store.
 *
 * @param now Time by the store's clock.
 */
export function toRecord(family: Family, now: number): SessionRecord {
  const { sub, state, startedAt, rotatedAt } = family
  return {
    data: encode(family),
    principal: state === 'revoking' ? REVOKING_PRINCIPAL : principalOf(sub),
    createdAt: startedAt,
    lastSeenAt: rotatedAt,
    // What is revoking must not vanish before its denial was told, so it outlives the tokens by far.
    expiresAt: state === 'active' ? expiryOf(family) : now + REMEMBERED,
  }
}

/** Reads a record; `undefined` when it is not one that this package wrote for a family. */
export function toFamily(stored: StoredSession): StoredFamily | undefined {
  const data = parse(stored.data)
  if (!data) return undefined
  return {
    handle: stored.key,
    version: stored.version,
    sub: data.sub,
    sid: data.sid,
    scope: data.scope,
    clientId: data.client,
    generation: data.n,
    salt: data.salt,
    signedBy: data.key,
    startedAt: stored.createdAt,
    issuedAt: data.iat,
    rotatedAt: data.at,
    idleExpiresAt: data.idle,
    absoluteExpiresAt: data.end,
    state: data.state,
  }
}

/** What the access tokens of a family say about whom. */
export function claimsOf({ sub, sid, scope, clientId }: Family): RefreshClaims {
  return {
    sub,
    sid,
    ...(scope !== undefined && { scope }),
    ...(clientId !== undefined && { client_id: clientId }),
  }
}

/** First instant at which a family that is not used any more is gone. */
export function expiryOf({ idleExpiresAt, absoluteExpiresAt }: Family): number {
  return Math.min(idleExpiresAt, absoluteExpiresAt)
}

function encode(family: Family): string {
  const { generation, salt, signedBy, sub, sid, scope, clientId, state } = family
  const data: FamilyData = {
    refresh: 1,
    n: generation,
    salt,
    key: signedBy,
    sub,
    sid,
    ...(scope !== undefined && { scope }),
    ...(clientId !== undefined && { client: clientId }),
    iat: family.issuedAt,
    at: family.rotatedAt,
    idle: family.idleExpiresAt,
    end: family.absoluteExpiresAt,
    state,
  }
  return JSON.stringify(data)
}

const NUMBERS = ['n', 'iat', 'at', 'idle', 'end'] as const
const TEXTS = ['salt', 'key', 'sub', 'sid', 'state'] as const
const OPTIONAL_TEXTS = ['scope', 'client'] as const
const STATES: ReadonlySet<unknown> = new Set<Family['state']>(['active', 'revoking', 'revoked'])

function parse(text: string): FamilyData | undefined {
  let data: unknown
  try {
    data = JSON.parse(text)
  } catch {
    return undefined
  }
  return isFamilyData(data) ? data : undefined
}

function isFamilyData(data: unknown): data is FamilyData {
  if (typeof data !== 'object' || data === null) return false
  const fields = data as Readonly<Record<string, unknown>>
  return (
    fields['refresh'] === 1 &&
    NUMBERS.every((name) => Number.isFinite(fields[name])) &&
    TEXTS.every((name) => typeof fields[name] === 'string') &&
    OPTIONAL_TEXTS.every((name) => fields[name] === undefined || typeof fields[name] === 'string') &&
    STATES.has(fields['state'])
  )
}
