/**
 * Sessions as Redis keeps them: a record, and beside it its last use.
 *
 * The record is one string, `version createdAt [principal as JSON]\ndata`; the use is `lastSeenAt expiresAt`.
 *
 * @module
 */

import { fromText, toText } from '../plain-text.ts'
import { CorruptRecordError, type SessionRecord, type StoredSession } from '../store.ts'

/** A record as the scripts take it. */
export interface EncodedRecord {
  /** All of the record but its version, which the script puts in front. */
  readonly body: string
  readonly use: string
  /** Last millisecond of the session. */
  readonly liveUntil: number
  /** Last millisecond for which the record is kept, see {@link keepUntil}. */
  readonly keepUntil: number
}

/** Encodes a record, all but its version. */
export function encodeRecord(record: SessionRecord): EncodedRecord {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  const user = principal === undefined ? '' : ` ${JSON.stringify(principal)}`
  return {
    body: `${createdAt}${user}\n${toText(data)}`,
    use: `${lastSeenAt} ${expiresAt}`,
    liveUntil: liveUntil(expiresAt),
    keepUntil: keepUntil(lastSeenAt, expiresAt),
  }
}

/** Last millisecond of a session: a key whose expiry is `n` is gone when the server's clock shows `n + 1`. */
export function liveUntil(expiresAt: number): number {
  return Math.ceil(expiresAt) - 1
}

/**
 * Last millisecond for which a record is kept: half an idle span longer than its session lives, so that a touch has to
 * prolong it once in half a span only. Each EXPIRE of a tracked key would push an invalidation to every process.
 */
export function keepUntil(lastSeenAt: number, expiresAt: number): number {
  return liveUntil(expiresAt) + Math.ceil(Math.max(0, expiresAt - lastSeenAt) / 2)
}

/**
 * Decodes a session.
 *
 * @throws {CorruptRecordError} when either string is not what {@link encodeRecord} wrote.
 */
export function decodeSession(key: string, record: string, use: string): StoredSession {
  const end = record.indexOf('\n')
  const header = record.slice(0, Math.max(end, 0)).split(' ', 2)
  const version = Number(header[0])
  const createdAt = Number(header[1])
  const space = use.indexOf(' ')
  const lastSeenAt = Number(use.slice(0, Math.max(space, 0)))
  const expiresAt = Number(use.slice(space + 1))
  if (!(Number.isSafeInteger(version) && version > 0)) throw corrupt('record')
  if (end < 3 || !Number.isFinite(createdAt)) throw corrupt('record')
  if (space < 1 || !Number.isFinite(lastSeenAt) || !Number.isFinite(expiresAt)) throw corrupt('last use')
  return {
    key,
    version,
    data: fromText(record.slice(end + 1)),
    principal: principalOf(record),
    createdAt,
    lastSeenAt,
    expiresAt,
  }
}

/**
 * Reads the user from a record.
 *
 * @throws {CorruptRecordError} when it is none.
 */
export function principalOf(record: string): string | undefined {
  const start = record.indexOf(' ', record.indexOf(' ') + 1)
  const end = record.indexOf('\n')
  if (start < 0 || start > end) return undefined
  let principal: unknown
  try {
    principal = JSON.parse(record.slice(start + 1, end))
  } catch {
    throw corrupt('record')
  }
  if (typeof principal !== 'string') throw corrupt('record')
  return principal
}

/** Makes the error for a session that cannot be decoded. */
export function corrupt(part: 'record' | 'last use'): CorruptRecordError {
  return new CorruptRecordError(`Cannot decode a session in Redis as its ${part} is damaged`)
}
