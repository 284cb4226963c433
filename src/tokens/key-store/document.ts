/**
 * The keys of a set as one record of a session store.
 *
 * @module
 */

import { hash } from 'node:crypto'
import type { SessionRecord, StoredSession } from '../../stores/store.ts'
import type { StoredKey } from '../keys.ts'
import type { Seal } from './seal.ts'

/** All keys at one moment. */
export interface KeyDocument {
  /** Number of changes so far. A store that lost its last writes shows an older one. */
  readonly generation: number
  readonly keys: readonly StoredKey[]
}

/** A document that was read. */
export interface StoredDocument extends KeyDocument {
  readonly version: number
  /** Whether the first secret made it. */
  readonly isNewest: boolean
}

/** What keeps a bounded store from dropping the record as a visitor's, and shows operators what it is. */
const PRINCIPAL = 'coatcheck.token-keys'

/** A record has to end some time. Each change puts it off. */
const LIFETIME = 10 * 365 * 86_400_000

/** Key of the record. What is hashed is longer than a session id, so no cookie leads to it. */
export function recordKeyOf(name: string): string {
  return hash('sha256', `coatcheck token keys of this name\n${name}`, 'base64url')
}

/** The record of a document, encrypted. */
export function toKeyRecord({ generation, keys }: KeyDocument, seal: Seal, now: number): SessionRecord {
  return {
    data: JSON.stringify({ keys: seal.seal(JSON.stringify({ generation, keys })) }),
    principal: PRINCIPAL,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + LIFETIME,
  }
}

/** Reads a record; `undefined` when none of the secrets made it, or it was changed. */
export function toDocument(stored: StoredSession, seal: Seal): StoredDocument | undefined {
  const sealed = parse(stored.data)?.['keys']
  const opened = typeof sealed === 'string' ? seal.open(sealed) : undefined
  const document = opened && parse(opened.text)
  if (!opened || !document || !Array.isArray(document['keys'])) return undefined
  const { generation, keys } = document as unknown as KeyDocument
  return { generation, keys, version: stored.version, isNewest: opened.isNewest }
}

function parse(text: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null
      ? (value as Readonly<Record<string, unknown>>)
      : undefined
  } catch {
    return undefined
  }
}
