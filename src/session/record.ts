/**
 * What the engine writes into a record's `data`: a session, or what is left where one moved away.
 *
 * @module
 */

import type { SessionRecord, StoredSession } from '../stores/store.ts'
import type { Attributes } from './attributes.ts'

/** The client that logged in, as it described itself. For its user to recognise, never to decide by. */
export interface Device {
  readonly userAgent: string | undefined
  /** Network address, as the framework reports it. */
  readonly address: string | undefined
}

/** A session as the engine works with it. */
export interface Snapshot {
  readonly key: string
  readonly version: number
  readonly principal: string | undefined
  readonly createdAt: number
  readonly lastSeenAt: number
  readonly expiresAt: number
  readonly attributes: Attributes
  /** Logged in with `remember`: its cookie outlives the browser. */
  readonly remembered: boolean
  /** When the id was minted, where that is not {@link createdAt}. */
  readonly regeneratedAt: number | undefined
  readonly device: Device | undefined
  /** Key of the record whose place it takes; for as long as that is a session too, they are one. */
  readonly replaces: string | undefined
  /** Fields that a newer version of this package wrote. Kept as they are. */
  readonly unknown: Attributes | undefined
}

/** What a record turned out to be. */
export type DecodedRecord =
  | { readonly kind: 'session'; readonly snapshot: Snapshot }
  /** The session goes on under another key; the sealed id can be opened with the old id alone. */
  | { readonly kind: 'alias'; readonly to: string; readonly sealedId: string; readonly until: number }
  /** A visitor's session that became a user's. It lets nobody in. */
  | { readonly kind: 'superseded'; readonly by: string; readonly until: number }

/** Wire names are short, as a million sessions repeat them. */
interface SessionData {
  readonly a: Attributes
  /** Remembered. */
  readonly r: 1 | undefined
  /** Instant of regeneration. */
  readonly g: number | undefined
  /** Key of the record that it replaces. */
  readonly p: string | undefined
  /** User agent and address. */
  readonly d: readonly [string | null, string | null] | undefined
}

/** Principal of a record that is no session but leads to one; no user can have it. */
export const POINTER_PRINCIPAL = ''

const KNOWN: ReadonlySet<string> = new Set<keyof SessionData>(['a', 'r', 'g', 'd', 'p'])

/** Decodes a record; `undefined` when it is not one that this package wrote. */
export function decodeRecord(stored: StoredSession): DecodedRecord | undefined {
  let data: unknown
  try {
    data = JSON.parse(stored.data)
  } catch {
    return undefined
  }
  if (!isObject(data)) return undefined
  if (isObject(data['a'])) return decodeSession(stored, data)
  const { to, id, by, until } = data
  if (typeof until !== 'number') return undefined
  if (isText(to) && isText(id)) return { kind: 'alias', to, sealedId: id, until }
  return isText(by) ? { kind: 'superseded', by, until } : undefined
}

/** Encodes a session for {@link SessionRecord.data}. */
export function encodeSession(
  session: Pick<Snapshot, 'attributes' | 'remembered' | 'regeneratedAt' | 'device' | 'replaces' | 'unknown'>,
): string {
  const { attributes, remembered, regeneratedAt, device, replaces, unknown } = session
  // JSON leaves out what is undefined.
  const known: SessionData = {
    a: attributes,
    r: remembered ? 1 : undefined,
    g: regeneratedAt,
    p: replaces,
    d: device && [device.userAgent ?? null, device.address ?? null],
  }
  return JSON.stringify(unknown ? { ...unknown, ...known } : known)
}

/**
 * Encodes what stays under the old key while the session goes on under another.
 *
 * @param until First instant at which it leads nowhere. It is part of the data, which only conditional writes change.
 */
export function encodeAlias(to: string, sealedId: string, until: number): string {
  return JSON.stringify({ to, id: sealedId, until })
}

/** Encodes what stays under a visitor's key after a login, until that instant. */
export function encodeSuperseded(by: string, until: number): string {
  return JSON.stringify({ by, until })
}

/** The record of a session, for a store. */
export function toRecord(session: Omit<Snapshot, 'key' | 'version'>): SessionRecord {
  const { principal, createdAt, lastSeenAt, expiresAt } = session
  return { data: encodeSession(session), principal, createdAt, lastSeenAt, expiresAt }
}

function decodeSession(stored: StoredSession, data: Record<string, unknown>): DecodedRecord | undefined {
  const { a, r, g, d, p } = data
  if (r !== undefined && r !== 1) return undefined
  if (g !== undefined && typeof g !== 'number') return undefined
  if (d !== undefined && !isDevice(d)) return undefined
  if (p !== undefined && !isText(p)) return undefined
  const { key, version, principal, createdAt, lastSeenAt, expiresAt } = stored
  return {
    kind: 'session',
    snapshot: {
      key,
      version,
      principal,
      createdAt,
      lastSeenAt,
      expiresAt,
      attributes: a as Attributes,
      remembered: r === 1,
      regeneratedAt: g,
      device: d && { userAgent: d[0] ?? undefined, address: d[1] ?? undefined },
      replaces: p,
      unknown: findUnknown(data),
    },
  }
}

/** Most records have none, and a rest pattern costs as much as parsing them. */
function findUnknown(data: Record<string, unknown>): Attributes | undefined {
  for (const name in data) {
    if (KNOWN.has(name)) continue
    return Object.fromEntries(Object.entries(data).filter(([other]) => !KNOWN.has(other)))
  }
  return undefined
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}

function isDevice(value: unknown): value is [string | null, string | null] {
  return Array.isArray(value) && value.length === 2 && value.every((part) => part === null || isText(part))
}
