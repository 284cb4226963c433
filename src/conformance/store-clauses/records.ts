/**
 * Clauses on what a record may hold: every field, any text, any key.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { MAX_RECORD_LENGTH } from '../../stores/store.ts'
import type { StoreClause, StoreTrial } from '../store-contract.ts'
import { assertGone, assertStored, create, LONG_LIFETIME, mintKey, mintUser, recordAt } from './support.ts'

/** A character beyond the Basic Multilingual Plane: two UTF-16 code units, four bytes of UTF-8. */
const COAT = '\u{1f9e5}'

/** Clauses on keys and fields. */
export const recordClauses: readonly StoreClause[] = [
  {
    title: 'reads back every field of a session that was created',
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), {
        principal: mintUser(),
        createdAt: now() - 7_003,
        lastSeenAt: now() - 5_001,
        expiresAt: now() + LONG_LIFETIME + 1,
      })

      const version = await create(store, key, record)

      const stored = await store.read(key)
      assertStored(stored, key, record)
      assert.equal(stored.version, version, 'read must tell the version that create told')
    },
  },
  {
    title: 'knows nothing under a key that was never created',
    verify: ({ store, now }) => assertGone(store, mintKey(), now()),
  },
  {
    title: 'keeps each session to itself',
    async verify({ store, now }) {
      const [deleted, left] = [mintKey(), mintKey()]
      const record = recordAt(now(), { data: 'left' })
      await create(store, deleted, recordAt(now()))
      await create(store, left, record)

      await store.delete(deleted)

      assert.equal(await store.read(deleted), undefined)
      assertStored(await store.read(left), left, record)
    },
  },
  {
    title: 'keeps text of every script, and quotes, escapes and line breaks',
    verify: (trial) =>
      verifyData(
        trial,
        `{"na\\u0000me":"${COAT} 옷 معطف é e\u0301 \u2028 \ufeff","q":"'\\"\`; -- \\\\ %s $1 ?"}\r\n\t`,
      ),
  },
  { title: 'keeps empty data', verify: (trial) => verifyData(trial, '') },
  {
    title: 'keeps data that reads like something else: a number, a boolean, null',
    async verify(trial) {
      for (const data of ['0', '007', '1e3', 'true', 'null', 'undefined', ' ', '[]'])
        await verifyData(trial, data)
    },
  },
  {
    title: `keeps ${MAX_RECORD_LENGTH} characters of data`,
    verify: (trial) => verifyData(trial, 'x'.repeat(MAX_RECORD_LENGTH)),
  },
  {
    title: `keeps ${MAX_RECORD_LENGTH} code units of data that need more bytes than that`,
    async verify(trial) {
      await verifyData(trial, '옷'.repeat(MAX_RECORD_LENGTH))
      await verifyData(trial, COAT.repeat(MAX_RECORD_LENGTH / 2))
    },
  },
  {
    title: 'tells a visitor from a user with an empty id',
    async verify({ store, now }) {
      const [visitor, nameless] = [mintKey(), mintKey()]
      const at = now()

      await create(store, visitor, recordAt(at))
      await create(store, nameless, recordAt(at, { principal: '' }))

      assertStored(await store.read(visitor), visitor, recordAt(at))
      assertStored(await store.read(nameless), nameless, recordAt(at, { principal: '' }))
    },
  },
  {
    title: 'keeps a user id of any text',
    async verify({ store, now }) {
      for (const name of [
        COAT,
        '옷',
        'null',
        'undefined',
        '0',
        'o\'hara"',
        'a b\n',
        'x'.repeat(512),
        '__proto__',
      ]) {
        const key = mintKey()
        const record = recordAt(now(), { principal: name })
        await create(store, key, record)
        assertStored(await store.read(key), key, record)
        await store.delete(key)
      }
    },
  },
  {
    title: 'takes a key that looks like a pattern for what it says',
    async verify({ store, now }) {
      const tail = mintKey()
      const at = now()
      const plain = `a${tail}`
      await create(store, plain, recordAt(at, { data: 'plain' }))

      for (const head of ['*', '%', '_', '?', '[ab]', '.', '.*', '>', 'A', 'user:[ab]']) {
        await assertGone(store, head + tail, at)
        const version = await create(store, head + tail, recordAt(at, { data: head }))
        assertStored(await store.read(head + tail), head + tail, recordAt(at, { data: head }))
        assert.equal((await store.write(head + tail, version, recordAt(at))).outcome, 'written')
        assertStored(await store.delete(head + tail), head + tail, recordAt(at))
      }

      assertStored(await store.read(plain), plain, recordAt(at, { data: 'plain' }))
    },
  },
  {
    title: 'takes a key with quotes, spaces and line breaks for what it says',
    verify: (trial) =>
      verifyKeys(trial, ["'", '"', '`', ' ', '\n', '\r\n', '\t', ';', '\\', '/', ':', '{}', '옷', COAT]),
  },
  {
    title: 'takes a key that names a property of every object for what it says',
    async verify({ store, now }) {
      for (const key of ['__proto__', 'constructor', 'toString', 'hasOwnProperty']) {
        const record = recordAt(now())
        await store.delete(key)
        await assertGone(store, key, now())
        await create(store, key, record)
        assertStored(await store.delete(key), key, record)
        await assertGone(store, key, now())
      }
    },
  },
]

async function verifyData({ store, now }: StoreTrial, data: string): Promise<void> {
  const key = mintKey()
  const record = recordAt(now(), { data })

  const version = await create(store, key, recordAt(now()))
  assert.equal((await store.write(key, version, record)).outcome, 'written')

  assertStored(await store.read(key), key, record)
  assertStored(await store.delete(key), key, record)
}

async function verifyKeys({ store, now }: StoreTrial, heads: readonly string[]): Promise<void> {
  const tail = mintKey()
  const records = heads.map((head) => ({ key: head + tail, record: recordAt(now(), { data: head }) }))

  for (const { key, record } of records) await create(store, key, record)

  for (const { key, record } of records) assertStored(await store.read(key), key, record)
  for (const { key, record } of records) assertStored(await store.delete(key), key, record)
}
