/**
 * Clauses on conditional writes: three outcomes, and never an insert.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { StoreClause } from '../store-contract.ts'
import {
  assertGone,
  assertStored,
  create,
  LONG_LIFETIME,
  mintKey,
  mintUser,
  recordAt,
  writtenVersion,
} from './support.ts'

/** Clauses on `create`, `write`, `touch` and `delete`, one call at a time. */
export const writeClauses: readonly StoreClause[] = [
  {
    title: 'reports a conflict and stores nothing when the key of a new session is taken',
    async verify({ store, now }) {
      const key = mintKey()
      const first = recordAt(now(), { data: 'first', principal: mintUser() })
      const version = await create(store, key, first)

      const result = await store.create(key, recordAt(now(), { data: 'second' }))

      assert.deepEqual(result, { outcome: 'conflict' })
      const stored = await store.read(key)
      assertStored(stored, key, first)
      assert.equal(stored.version, version, 'a refused create must not move the version')
    },
  },
  {
    title: 'replaces every field when the version is the stored one',
    async verify({ store, now }) {
      const key = mintKey()
      const version = await create(store, key, recordAt(now()))
      const next = {
        data: '{"cart":[]}',
        principal: mintUser(),
        createdAt: now() - 11,
        lastSeenAt: now() + 12,
        expiresAt: now() + LONG_LIFETIME / 2,
      }

      const written = writtenVersion(await store.write(key, version, next))

      const stored = await store.read(key)
      assertStored(stored, key, next)
      assert.equal(stored.version, written, 'read must tell the version that write told')
    },
  },
  {
    title: 'grows the version with each write',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now())
      const versions = [await create(store, key, record)]

      for (let round = 0; round < 20; round++) {
        versions.push(writtenVersion(await store.write(key, versions.at(-1) ?? 0, record)))
      }

      assert.deepEqual(
        versions,
        [...new Set(versions)].sort((a, b) => a - b),
      )
    },
  },
  {
    title: 'reports a conflict and stores nothing when the version is not the stored one',
    async verify({ store, now }) {
      const key = mintKey()
      const stale = await create(store, key, recordAt(now()))
      const next = recordAt(now(), { data: 'next', principal: mintUser() })
      const version = writtenVersion(await store.write(key, stale, next))

      for (const wrong of [stale, version + 1, version + 1_000, Number.MAX_SAFE_INTEGER]) {
        assert.deepEqual(await store.write(key, wrong, recordAt(now())), { outcome: 'conflict' })
      }

      const stored = await store.read(key)
      assertStored(stored, key, next)
      assert.equal(stored.version, version)
    },
  },
  {
    title: 'gives the deleted record to the caller, and knows nothing of it afterwards',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), { principal: mintUser() })
      const version = await create(store, key, record)

      const deleted = await store.delete(key)

      assertStored(deleted, key, record)
      assert.equal(deleted.version, version)
      assert.deepEqual(await store.write(key, version, record), { outcome: 'gone' })
      await assertGone(store, key, now())
    },
  },
  {
    title: 'moves last use and expiry forward, and nothing else',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), { principal: mintUser() })
      await create(store, key, record)

      const touched = await store.touch(key, record.lastSeenAt + 5, record.expiresAt + 9)

      assert.equal(touched, true)
      assertStored(await store.read(key), key, {
        ...record,
        lastSeenAt: record.lastSeenAt + 5,
        expiresAt: record.expiresAt + 9,
      })
    },
  },
  {
    title: 'never moves last use or expiry backwards when touched, one by one',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), { lastSeenAt: now() + 500 })
      const { lastSeenAt, expiresAt } = record
      await create(store, key, record)

      assert.equal(await store.touch(key, lastSeenAt - 100, expiresAt - 100), true)
      assertStored(await store.read(key), key, record)

      assert.equal(await store.touch(key, lastSeenAt + 1, expiresAt - 100), true)
      assertStored(await store.read(key), key, { ...record, lastSeenAt: lastSeenAt + 1 })

      assert.equal(await store.touch(key, lastSeenAt - 100, expiresAt + 1), true)
      assertStored(await store.read(key), key, {
        ...record,
        lastSeenAt: lastSeenAt + 1,
        expiresAt: expiresAt + 1,
      })
    },
  },
  {
    title: 'does not end a session that is touched with an expiry that has passed',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now())
      await create(store, key, record)

      assert.equal(await store.touch(key, record.lastSeenAt - 10, now() - 5), true)

      assertStored(await store.read(key), key, record)
    },
  },
  {
    title: 'loses no data when a touch comes between read and write',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), { data: 'before' })
      const version = await create(store, key, record)
      await store.touch(key, record.lastSeenAt + 1, record.expiresAt + 1)
      const next = { ...record, data: 'after', expiresAt: record.expiresAt + 1 }

      const result = await store.write(key, version, next)

      assert.notEqual(result.outcome, 'gone')
      const stored = await store.read(key)
      assert.equal(stored?.data, result.outcome === 'written' ? 'after' : 'before')
      assert.ok(stored)
      assert.ok(stored.version >= version, 'a touch must not take the version back')
      writtenVersion(await store.write(key, stored.version, next))
    },
  },
]
