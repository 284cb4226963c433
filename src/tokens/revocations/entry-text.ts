/**
 * Revocations as text, for back ends that keep text.
 *
 * @module
 */

import type { RevocationEntry } from '../revocation-log.ts'

const KINDS: ReadonlySet<unknown> = new Set<RevocationEntry['kind']>(['session', 'user', 'everyone'])

/** Writes an entry. JSON escapes lone surrogates and NUL, so any back end keeps it. */
export function encodeEntry({ kind, subject, validFrom, expiresAt }: RevocationEntry): string {
  return JSON.stringify([kind, subject, validFrom, expiresAt])
}

/** Reads an entry; `undefined` when it is none that this package wrote, or a kind that a later release added. */
export function decodeEntry(text: unknown): RevocationEntry | undefined {
  if (typeof text !== 'string') return undefined
  try {
    const [kind, subject, validFrom, expiresAt] = JSON.parse(text) as readonly unknown[]
    if (!KINDS.has(kind) || typeof subject !== 'string') return undefined
    if (!Number.isFinite(validFrom) || !Number.isFinite(expiresAt)) return undefined
    return { kind, subject, validFrom, expiresAt } as RevocationEntry
  } catch {
    return undefined
  }
}
