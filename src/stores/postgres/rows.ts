/**
 * Sessions as rows and back.
 *
 * @module
 */

import type { PostgresParameter, PostgresRow } from '../postgres.ts'
import { CorruptRecordError, type SessionRecord, type StoredSession } from '../store.ts'
import { fromText, toText } from '../plain-text.ts'

const NAMES = ['key', 'version', 'data', 'principal', 'created_at', 'last_seen_at', 'expires_at'] as const

/** Columns that {@link decodeSession} reads, in its order. */
export const COLUMNS = NAMES.join(', ')

/** Binds a record: data, principal, created_at, last_seen_at, expires_at. */
export function recordParameters(record: SessionRecord): readonly PostgresParameter[] {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  return [toText(data), principal === undefined ? null : toText(principal), createdAt, lastSeenAt, expiresAt]
}

/**
 * Reads a session from a row of {@link COLUMNS}.
 *
 * @throws {CorruptRecordError} when a column holds what no store wrote.
 */
export function decodeSession(row: PostgresRow): StoredSession {
  const column = findCorruption(row)
  if (column !== undefined) {
    throw new CorruptRecordError(`Cannot decode a session in PostgreSQL as column ${column} is damaged`)
  }
  const [key, version, data, principal, createdAt, lastSeenAt, expiresAt] = row
  return {
    key: fromText(key as string),
    version: Number(version),
    data: fromText(data as string),
    principal: principal === null ? undefined : fromText(principal as string),
    createdAt: Number(createdAt),
    lastSeenAt: Number(lastSeenAt),
    expiresAt: Number(expiresAt),
  }
}

/** Names the column that no store wrote like this; `undefined` when the row is sound. */
export function findCorruption(row: PostgresRow): string | undefined {
  const [key, version, data, principal] = row
  if (typeof key !== 'string') return 'key'
  if (!isNumeric(version) || !Number.isSafeInteger(Number(version)) || Number(version) < 1) return 'version'
  if (typeof data !== 'string') return 'data'
  if (principal !== null && typeof principal !== 'string') return 'principal'
  return NAMES.find((_, index) => index >= 4 && !isInstant(row[index]))
}

/** A client gives `bigint` as text, or as the application has told it to. */
function isNumeric(value: unknown): boolean {
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'string'
}

function isInstant(value: unknown): boolean {
  return isNumeric(value) && Number.isFinite(Number(value)) && Number(value) >= 0
}
