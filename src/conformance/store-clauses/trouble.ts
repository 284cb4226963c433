/**
 * Clauses on damaged records and on a back end that is away.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { StoreClause } from '../store-contract.ts'
import {
  assertGone,
  assertStored,
  create,
  indexed,
  listedKeys,
  LONG_LIFETIME,
  mintKey,
  mintUser,
  recordAt,
} from './support.ts'

/** Clauses on `quarantine`, corruption and outage. */
export const troubleClauses: readonly StoreClause[] = [
  {
    title: 'knows nothing of a session that was set aside',
    async verify({ store, now }) {
      const key = mintKey()
      const version = await create(store, key, recordAt(now(), { principal: mintUser() }))

      await store.quarantine(key)

      assert.deepEqual(await store.write(key, version, recordAt(now())), { outcome: 'gone' })
      await assertGone(store, key, now())
    },
  },
  {
    title: 'does not list a session that was set aside',
    needs: ['list'],
    async verify({ store, now }) {
      const user = mintUser()
      const [kept, aside] = [mintKey(), mintKey()]
      for (const key of [kept, aside]) await create(store, key, recordAt(now(), { principal: user }))

      await store.quarantine(aside)

      assert.deepEqual(await listedKeys(store, user), [kept])
    },
  },
  {
    title: 'does nothing when there is no record to set aside, or no longer',
    async verify({ store, now }) {
      const [neighbour, once] = [mintKey(), mintKey()]
      const record = recordAt(now())
      await create(store, neighbour, record)
      await create(store, once, record)

      const told = [
        await store.quarantine(mintKey()),
        await store.quarantine(once),
        await store.quarantine(once),
      ]

      assert.deepEqual(told, [false, true, false], 'whether this very call set it aside')

      assertStored(await store.read(neighbour), neighbour, record)
      assert.equal(await store.read(once), undefined)
    },
  },
  {
    title: 'rejects with CorruptRecordError when it cannot decode what it reads, and names no key',
    needs: ['corrupt'],
    async verify({ store, now, corrupt }) {
      const key = mintKey()
      await create(store, key, recordAt(now()))
      await corrupt?.(key)

      await assert.rejects(store.read(key), (error: Error & { readonly code?: unknown }) => {
        assert.equal(error.code, 'ERR_CORRUPT_RECORD')
        assert.equal(error.message.includes(key), false, 'a message must not tell a key')
        return true
      })
    },
  },
  {
    title: 'is rid of a damaged record once it was set aside',
    needs: ['corrupt'],
    async verify({ store, now, corrupt }) {
      const key = mintKey()
      const version = await create(store, key, recordAt(now()))
      await corrupt?.(key)

      await store.quarantine(key)

      assert.deepEqual(await store.write(key, version, recordAt(now())), { outcome: 'gone' })
      await assertGone(store, key, now())
    },
  },
  {
    title: 'lists the other sessions of a user when one is damaged',
    needs: ['corrupt', 'list'],
    async verify({ store, now, corrupt }) {
      const user = mintUser()
      const [sound, damaged] = [mintKey(), mintKey()]
      for (const key of [sound, damaged]) await create(store, key, recordAt(now(), { principal: user }))

      await corrupt?.(damaged)

      assert.deepEqual(await listedKeys(store, user), [sound])
    },
  },
  {
    title: 'rejects every call with StoreUnavailableError and its cause when the back end is away',
    needs: ['unplug'],
    async verify({ store, now, unplug }) {
      const key = mintKey()
      const version = await create(store, key, recordAt(now()))
      await unplug?.()
      const at = now()

      const calls = [
        () => store.create(mintKey(), recordAt(at)),
        () => store.read(key),
        () => store.write(key, version, recordAt(at)),
        () => store.touch(key, at, at + LONG_LIFETIME),
        () => store.delete(key),
        () => store.quarantine(key),
        ...('list' in store ? [() => indexed(store).list(mintUser())] : []),
      ]

      for (const call of calls) {
        await assert.rejects(call, (error: Error & { readonly code?: unknown }) => {
          assert.equal(error.code, 'ERR_STORE_UNAVAILABLE')
          assert.ok(error.cause, 'the cause must be told')
          assert.equal(error.message.includes(key), false, 'a message must not tell a key')
          return true
        })
      }
    },
  },
]
