/**
 * A session as the text that is sealed into its cookie, as short as it can be.
 *
 * @module
 */

import type { Attributes } from '../attributes.ts'
import type { Snapshot } from '../record.ts'

/** A session whose only copy is in the browser. */
export interface SealedSnapshot extends Snapshot {
  /** Second of the login, or of the first visit, since the Unix epoch: revocations of a user compare with it. */
  readonly issuedAt: number
}

/** Wire names are short, as browsers keep 4,096 bytes in all. */
interface Sealed {
  /** Session id, which is also the handle. */
  readonly s: string
  /** Principal. */
  readonly u?: string
  /** Version. */
  readonly v: number
  readonly c: number
  readonly l: number
  readonly x: number
  /** Issued at, where that is not the second of `c`. */
  readonly i?: number
  readonly r?: 1
  readonly g?: number
  readonly a: Attributes
}

/** Encodes a session. */
export function encodeSnapshot(session: SealedSnapshot): string {
  const { key, version, principal, createdAt, lastSeenAt, expiresAt, issuedAt, attributes } = session
  const sealed: Sealed = {
    ...session.unknown,
    s: key,
    v: version,
    ...(principal !== undefined && { u: principal }),
    c: createdAt,
    l: lastSeenAt,
    x: expiresAt,
    ...(issuedAt !== secondOf(createdAt) && { i: issuedAt }),
    ...(session.remembered && { r: 1 }),
    ...(session.regeneratedAt !== undefined && { g: session.regeneratedAt }),
    a: attributes,
  }
  return JSON.stringify(sealed)
}

const KNOWN: ReadonlySet<string> = new Set<keyof Sealed>(['s', 'u', 'v', 'c', 'l', 'x', 'i', 'r', 'g', 'a'])

/** The second in which an instant lies, since the Unix epoch. */
export function secondOf(instant: number): number {
  return Math.floor(instant / 1_000)
}

/** Decodes a text that was opened, so that we or a newer version of this package wrote it; `undefined` when not. */
export function decodeSnapshot(text: string): SealedSnapshot | undefined {
  const sealed = JSON.parse(text) as Partial<Sealed>
  const { s, u, v, c, l, x, i, r, g, a } = sealed
  if (typeof s !== 'string' || typeof v !== 'number' || typeof a !== 'object') return undefined
  if (typeof c !== 'number' || typeof l !== 'number' || typeof x !== 'number') return undefined
  const unknown = Object.entries(sealed).filter(([name]) => !KNOWN.has(name))
  return {
    key: s,
    version: v,
    principal: u,
    createdAt: c,
    lastSeenAt: l,
    expiresAt: x,
    issuedAt: i ?? secondOf(c),
    attributes: a,
    remembered: r === 1,
    regeneratedAt: g,
    device: undefined,
    replaces: undefined,
    unknown: unknown.length === 0 ? undefined : Object.fromEntries(unknown),
  }
}
