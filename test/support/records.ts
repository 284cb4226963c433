/**
 * Records for tests of stores.
 *
 * @module
 */

import type { SessionRecord } from '../../src/stores/store.ts'

/** A visitor's record that was made at an instant and lives for a minute, but for the changes. */
export function recordAt(now: number, changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    data: '{}',
    principal: undefined,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + 60_000,
    ...changes,
  }
}

/** A record that was made now. */
export function recordNow(changes: Partial<SessionRecord> = {}): SessionRecord {
  return recordAt(Date.now(), changes)
}

/** The record of a user that was made now. */
export function userNow(changes: Partial<SessionRecord> = {}): SessionRecord {
  return recordNow({ principal: 'ada', ...changes })
}
