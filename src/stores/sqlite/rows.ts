/**
 * Sessions as rows and back.
 *
 * @module
 */

import { CorruptRecordError, type SessionRecord, type StoredSession } from '../store.ts'
import { fromText, toText } from '../plain-text.ts'
import type { SqliteParameter } from '../sqlite.ts'

/** Columns that {@link decodeSession} reads. */
export const COLUMNS = 'key, version, data, principal, created_at, last_seen_at, expires_at'

/** Binds a record: data, principal, created_at, last_seen_at, expires_at. */
export function recordParameters(record: SessionRecord): readonly SqliteParameter[] {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  return [toText(data), principal === undefined ? null : toText(principal), createdAt, lastSeenAt, expiresAt]
}

/** Tells whether a row says plainly that its session has ended. */
export function isExpired(row: unknown, now: number): boolean {
  const { expires_at: expiresAt } = row as Row
  return isInstant(expiresAt) && Number(expiresAt) <= now
}

/** Names the column that no store wrote like this; `undefined` when the row is sound. */
export function findCorruption(row: unknown): string | undefined {
  const { key, version, data, principal, ...instants } = row as Row
  if (typeof key !== 'string') return 'key'
  if (!Number.isSafeInteger(Number(version)) || Number(version) < 1 || !isNumeric(version)) return 'version'
  if (typeof data !== 'string') return 'data'
  if (principal !== null && typeof principal !== 'string') return 'principal'
  return (['created_at', 'last_seen_at', 'expires_at'] as const).find((name) => !isInstant(instants[name]))
}

/**
 * Reads a session from a row.
 *
 * @throws {CorruptRecordError} when a column holds what no store wrote.
 */
export function decodeSession(row: unknown): StoredSession {
  const column = findCorruption(row)
  if (column !== undefined) {
    throw new CorruptRecordError(`Cannot decode a session in SQLite as column ${column} is damaged`)
  }
  return sessionOf(row)
}

/** Reads the version from a row that a statement has just written. */
export function versionOf(row: unknown): number {
  return Number((row as Row).version)
}

/** A row as a client gives it: possibly without a prototype, with extra properties, with `BigInt`s. */
interface Row {
  readonly key: unknown
  readonly version: unknown
  readonly data: unknown
  readonly principal: unknown
  readonly created_at: unknown
  readonly last_seen_at: unknown
  readonly expires_at: unknown
}

function sessionOf(row: unknown): StoredSession {
  const { key, version, data, principal, created_at, last_seen_at, expires_at } = row as Row
  return {
    key: fromText(key as string),
    version: Number(version),
    data: fromText(data as string),
    principal: principal === null ? undefined : fromText(principal as string),
    createdAt: Number(created_at),
    lastSeenAt: Number(last_seen_at),
    expiresAt: Number(expires_at),
  }
}

function isNumeric(value: unknown): value is number | bigint {
  return typeof value === 'number' || typeof value === 'bigint'
}

function isInstant(value: unknown): boolean {
  return isNumeric(value) && Number.isFinite(Number(value)) && Number(value) >= 0
}
