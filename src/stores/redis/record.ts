/**
 * Sessions as Redis keeps them: a record, and beside it its last use.
 *
 * The record is one string, `version createdAt [principal as JSON]\ndata`; the use is `lastSeenAt expiresAt`.
 *
 * @module
 */

import { fromText, toText } from '../plain-text.ts'
import { CorruptRecordError, type SessionRecord, type StoredSession } from '../store.ts'

/** Encodes the use of a session, and after it all of its record but the version, which the script puts in front. */
export function encodeRecord(record: SessionRecord): string {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  const user = principal === undefined ? '' : ` ${JSON.stringify(principal)}`
  return `${lastSeenAt} ${expiresAt} ${createdAt}${user}\n${toText(data)}`
}

/**
 * Last millisecond for which a record is kept: half an idle span longer than its session lives, so that a touch has to
 * prolong it once in half a span only. Each EXPIRE of a tracked key would push an invalidation to every process.
 */
export function keepUntil(lastSeenAt: number, expiresAt: number): number {
  // A key whose expiry is `n` is gone when the server's clock shows `n + 1`.
  return Math.ceil(expiresAt) - 1 + Math.ceil(Math.max(0, expiresAt - lastSeenAt) / 2)
}

/**
 * Decodes a session.
 *
 * @throws {CorruptRecordError} when either string is not what {@link encodeRecord} wrote.
 */
export function decodeSession(key: string, record: string, use: string): StoredSession {
  const { version, createdAt, principal, body } = decodeRecord(record)
  const space = use.indexOf(' ')
  const lastSeenAt = Number(use.slice(0, Math.max(space, 0)))
  const expiresAt = Number(use.slice(space + 1))
  if (space < 1 || !Number.isFinite(lastSeenAt) || !Number.isFinite(expiresAt)) throw corrupt('last use')
  return { key, version, data: fromText(body), principal, createdAt, lastSeenAt, expiresAt }
}

/**
 * Reads the user from a record.
 *
 * @throws {CorruptRecordError} when it is none.
 */
export function principalOf(record: string): string | undefined {
  return decodeRecord(record).principal
}

function decodeRecord(record: string): {
  readonly version: number
  readonly createdAt: number
  readonly principal: string | undefined
  readonly body: string
} {
  const end = record.indexOf('\n')
  const first = record.indexOf(' ')
  const second = record.indexOf(' ', first + 1)
  const isUsers = second !== -1 && second < end
  const version = Number(record.slice(0, Math.max(first, 0)))
  const createdAt = Number(record.slice(first + 1, isUsers ? second : Math.max(end, 0)))
  if (!(Number.isSafeInteger(version) && version > 0)) throw corrupt('record')
  if (end < 3 || first > end || !Number.isFinite(createdAt)) throw corrupt('record')
  const principal = isUsers ? decodePrincipal(record.slice(second + 1, end)) : undefined
  return { version, createdAt, principal, body: record.slice(end + 1) }
}

function decodePrincipal(text: string): string {
  let principal: unknown
  try {
    principal = JSON.parse(text)
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
