/**
 * Session records as entries of the log.
 *
 * Everything but the data is in the short text, so that a watch without bytes still feeds the index by user.
 *
 * @module
 */

import type { SessionRecord } from '../store.ts'
import type { LogEntry, LogValue } from './log.ts'

const FORMAT = 1
const UTF8 = 0
/** For lone surrogates, which UTF-8 cannot carry. */
const UTF16 = 1

const LONE_SURROGATE = /\p{Surrogate}/u
const UNPRINTABLE = /[^\x20-\x7e]/g

/** Bytes of a removal, which has no data. */
export const NO_DATA = new Uint8Array(0)

/** A record without its data, and how the data is encoded. */
export interface RecordHead extends Omit<SessionRecord, 'data'> {
  readonly encoding: number
}

/** Encodes a record. */
export function encodeRecord(record: SessionRecord): LogValue {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  const encoding = LONE_SURROGATE.test(data) ? UTF16 : UTF8
  const head = [FORMAT, createdAt, lastSeenAt, expiresAt, principal ?? null, encoding]
  return {
    meta: JSON.stringify(head).replace(UNPRINTABLE, escape),
    data: Buffer.from(data, encoding === UTF16 ? 'utf16le' : 'utf8'),
  }
}

/** Decodes what is known of a record without its data; `undefined` when it is not one. */
export function decodeHead(meta: string): RecordHead | undefined {
  const fields = parse(meta)
  if (!Array.isArray(fields) || fields.length !== 6 || fields[0] !== FORMAT) return undefined
  const [, createdAt, lastSeenAt, expiresAt, principal, encoding] = fields as readonly unknown[]
  if (typeof createdAt !== 'number' || typeof lastSeenAt !== 'number' || typeof expiresAt !== 'number')
    return undefined
  if (principal !== null && typeof principal !== 'string') return undefined
  if (encoding !== UTF8 && encoding !== UTF16) return undefined
  return { principal: principal ?? undefined, createdAt, lastSeenAt, expiresAt, encoding }
}

/** Decodes a record; `undefined` when it is not one. */
export function decodeRecord(entry: LogEntry): SessionRecord | undefined {
  const head = decodeHead(entry.meta)
  return head && withData(head, entry.data)
}

/** Adds its data to a head. */
export function withData(
  { encoding, principal, createdAt, lastSeenAt, expiresAt }: RecordHead,
  data: Uint8Array,
): SessionRecord {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength)
  const text = bytes.toString(encoding === UTF16 ? 'utf16le' : 'utf8')
  return { data: text, principal, createdAt, lastSeenAt, expiresAt }
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
