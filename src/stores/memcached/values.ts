/**
 * Sessions as memcached values and back: a line of JSON, then the data as it is.
 *
 * @module
 */

import type { SessionRecord, StoredSession } from '../store.ts'

/** Says until when a record of a user counts: as long as the user's epoch on this node is one of these. */
export interface Guard {
  /** Name of the epoch. */
  readonly id: string
  /** The epoch it was stored in, and those that a revocation under way is about to begin without ending it. */
  readonly epochs: readonly string[]
}

/** What is stored under a key. */
export interface Value {
  readonly session: StoredSession
  /** The user's own guard, if it is a user's, and that of the user before, if the last change of user is not yet proven. */
  readonly guards: readonly Guard[]
}

/** Data as it is, or as JSON where UTF-8 would not give it back. */
type Format = 1 | 2
type Head = [Format, number, number, number, number, string | null, [string, ...string[]][]]

const NEWLINE = 10
const LONE_SURROGATE = /\p{Surrogate}/u

/** Encodes a session. */
export function encodeValue(version: number, record: SessionRecord, guards: readonly Guard[]): Buffer {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  const format = LONE_SURROGATE.test(data) ? 2 : 1
  const head: Head = [
    format,
    version,
    createdAt,
    lastSeenAt,
    expiresAt,
    principal ?? null,
    guards.map(({ id, epochs }) => [id, ...epochs]),
  ]
  return Buffer.from(`${JSON.stringify(head)}\n${format === 1 ? data : JSON.stringify(data)}`)
}

/** Decodes a value; `undefined` when it is none that {@link encodeValue} made. */
export function decodeValue(key: string, value: Buffer): Value | undefined {
  const end = value.indexOf(NEWLINE)
  if (end === -1) return undefined
  let data: unknown = value.toString('utf8', end + 1)
  let head: unknown
  try {
    head = JSON.parse(value.toString('utf8', 0, end))
    if (!isHead(head)) return undefined
    if (head[0] === 2) data = JSON.parse(data as string)
  } catch {
    return undefined
  }
  const [, version, createdAt, lastSeenAt, expiresAt, principal, guards] = head
  if (typeof data !== 'string') return undefined
  return {
    session: { key, version, data, principal: principal ?? undefined, createdAt, lastSeenAt, expiresAt },
    guards: guards.map(([id, ...epochs]) => ({ id, epochs })),
  }
}

function isHead(head: unknown): head is Head {
  if (!Array.isArray(head) || head.length !== 7) return false
  const [format, version, createdAt, lastSeenAt, expiresAt, principal, guards] = head as unknown[]
  return (
    (format === 1 || format === 2) &&
    Number.isSafeInteger(version) &&
    (version as number) > 0 &&
    [createdAt, lastSeenAt, expiresAt].every((instant) => typeof instant === 'number') &&
    (principal === null || typeof principal === 'string') &&
    Array.isArray(guards) &&
    guards.every(
      (guard) =>
        Array.isArray(guard) && guard.length > 1 && guard.every((part: unknown) => typeof part === 'string'),
    )
  )
}
