/**
 * What the clauses of the store contract share: keys, records, time, assertions.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type {
  IndexedSessionStore,
  SessionRecord,
  SessionStore,
  StoredSession,
  WriteResult,
} from '../../stores/store.ts'
import type { StoreTrial } from '../store-contract.ts'

/** Lifetime of a session that a clause lets expire: short, because a real back end is waited for. */
export const LIFETIME = 1_000

/** Lifetime of a session that is to outlive its clause. */
export const LONG_LIFETIME = 60_000

/** Mints a key as the engine does: 43 random characters of base64url. */
export function mintKey(): string {
  return randomBytes(32).toString('base64url')
}

/** Invents a user nobody else has, so that a clause may run on a back end with other sessions in it. */
export function mintUser(name = 'ada'): string {
  return `${name}-${randomBytes(8).toString('hex')}`
}

/** Makes a visitor's record that was just created and outlives the clause. */
export function recordAt(now: number, changes: Partial<SessionRecord> = {}): SessionRecord {
  return {
    data: '{"cart":["coat"]}',
    principal: undefined,
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + LONG_LIFETIME,
    ...changes,
  }
}

/** Creates a session that must not exist yet, and gives its version. */
export async function create(store: SessionStore, key: string, record: SessionRecord): Promise<number> {
  return writtenVersion(await store.create(key, record))
}

/** Asserts that a result is `written`, and gives its version. */
export function writtenVersion(result: WriteResult): number {
  assert.equal(result.outcome, 'written')
  assert.ok(result.outcome === 'written')
  assertVersion(result.version)
  return result.version
}

/** Asserts that a version is a positive safe integer. */
function assertVersion(version: number): void {
  assert.ok(
    Number.isSafeInteger(version) && version > 0,
    `version must be a positive safe integer: ${version}`,
  )
}

/** Asserts that a stored session is the given record, field by field. */
export function assertStored(
  actual: StoredSession | undefined,
  key: string,
  record: SessionRecord,
): asserts actual is StoredSession {
  assert.ok(actual, 'there must be a live session')
  const { data, principal, createdAt, lastSeenAt, expiresAt } = actual
  assert.deepEqual(
    { key: actual.key, data, principal, createdAt, lastSeenAt, expiresAt },
    { key, ...record },
    'every field must come back unchanged',
  )
  assertVersion(actual.version)
}

/** Asserts that no method finds a live session under the key, and that none of them makes one. */
export async function assertGone(store: SessionStore, key: string, now: number): Promise<void> {
  const attempts = [1, 2, 3, 1_000]
  assert.equal(await store.read(key), undefined, 'read must find nothing')
  for (const version of attempts) {
    assert.deepEqual(await store.write(key, version, recordAt(now)), { outcome: 'gone' })
  }
  assert.equal(await store.touch(key, now, now + LONG_LIFETIME), false, 'touch must find nothing')
  assert.equal(await store.delete(key), undefined, 'delete must find nothing')
  assert.equal(await store.read(key), undefined, 'nothing may have been inserted')
}

/** Lets time pass until the given instant has come. */
export async function elapseUntil(trial: StoreTrial, instant: number): Promise<void> {
  while (trial.now() < instant) await trial.elapse(instant - trial.now())
}

/** The trial's store as one that lists; the clause names `list` among its needs. */
export function indexed(store: SessionStore | IndexedSessionStore): IndexedSessionStore {
  assert.ok('list' in store, 'the store must list')
  return store
}

/** Keys of the live sessions of a user, sorted. */
export async function listedKeys(
  store: SessionStore | IndexedSessionStore,
  principal: string,
): Promise<readonly string[]> {
  const sessions = await indexed(store).list(principal)
  return sessions.map(({ key }) => key).sort()
}
