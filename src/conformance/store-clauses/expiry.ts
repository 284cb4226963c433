/**
 * Clauses on the end of a session: the store's clock decides, to the millisecond.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { StoreClause, StoreTrial } from '../store-contract.ts'
import {
  assertGone,
  assertStored,
  create,
  elapseUntil,
  LIFETIME,
  LONG_LIFETIME,
  mintKey,
  mintUser,
  recordAt,
} from './support.ts'

const DAY = 86_400_000

/** Clauses on expiry. */
export const expiryClauses: readonly StoreClause[] = [
  {
    title: 'knows a session until the instant it expires, and no method does from then on',
    async verify(trial) {
      const { store, now } = trial
      const key = mintKey()
      const record = recordAt(now(), { principal: mintUser(), expiresAt: now() + LIFETIME })
      const version = await create(store, key, record)

      await elapseUntil(trial, record.expiresAt - 1)
      const last = await store.read(key)
      // A back end that must be waited for may be past the instant by now; then this says nothing.
      if (now() < record.expiresAt) assertStored(last, key, record)

      await elapseUntil(trial, record.expiresAt)
      assert.deepEqual(await store.write(key, version, recordAt(now())), { outcome: 'gone' })
      await assertGone(store, key, now())
    },
  },
  {
    title: 'does not find an expired session to touch before anything else has noticed its end',
    async verify(trial) {
      const { key, now } = await expire(trial)

      assert.equal(await trial.store.touch(key, now, now + LONG_LIFETIME), false)

      assert.equal(await trial.store.read(key), undefined)
    },
  },
  {
    title: 'does not give an expired session to a caller that deletes it',
    async verify(trial) {
      const { key } = await expire(trial)

      assert.equal(await trial.store.delete(key), undefined)
    },
  },
  {
    title: 'takes the key of an expired session as free',
    async verify(trial) {
      const { key, now } = await expire(trial)
      const record = recordAt(now, { data: 'new' })

      await create(trial.store, key, record)

      assertStored(await trial.store.read(key), key, record)
    },
  },
  {
    title: 'lives until the expiry it was touched to',
    async verify(trial) {
      const { store, now } = trial
      const key = mintKey()
      const record = recordAt(now(), { expiresAt: now() + LIFETIME })
      await create(store, key, record)
      await store.touch(key, record.lastSeenAt, record.expiresAt + LIFETIME)

      await elapseUntil(trial, record.expiresAt)
      const stored = await store.read(key)
      if (now() < record.expiresAt + LIFETIME) {
        assertStored(stored, key, { ...record, expiresAt: record.expiresAt + LIFETIME })
      }

      await elapseUntil(trial, record.expiresAt + LIFETIME)
      await assertGone(store, key, now())
    },
  },
  {
    title: 'lives until the expiry it was written with, be it sooner or later',
    async verify(trial) {
      const { store, now } = trial
      const [longer, shorter] = [mintKey(), mintKey()]
      const at = now()
      const short = recordAt(at, { expiresAt: at + LIFETIME })
      await store.write(longer, await create(store, longer, short), recordAt(at))
      await store.write(shorter, await create(store, shorter, recordAt(at)), short)

      await elapseUntil(trial, short.expiresAt)

      assertStored(await store.read(longer), longer, recordAt(at))
      await assertGone(store, shorter, now())
    },
  },
  {
    title: 'ends a session that is written with an expiry that has passed',
    async verify({ store, now }) {
      const key = mintKey()
      const version = await create(store, key, recordAt(now()))

      await store.write(key, version, recordAt(now(), { expiresAt: now() - 1 }))

      await assertGone(store, key, now())
    },
  },
  {
    title: 'never shows a session that was created with an expiry that has passed',
    async verify({ store, now }) {
      const key = mintKey()

      await store.create(key, recordAt(now(), { expiresAt: now() }))

      await assertGone(store, key, now())
    },
  },
  {
    title: 'knows sessions of 30 and 40 days, beyond 2^31 milliseconds, right after they were stored',
    async verify({ store, now }) {
      for (const days of [25, 30, 40, 400]) {
        const key = mintKey()
        const record = recordAt(now(), { expiresAt: now() + days * DAY })

        await create(store, key, record)
        // A Node timer set for longer than 2^31 ms fires after 1 ms; memcached takes > 30 days for an instant.
        await pause(5)

        assertStored(await store.read(key), key, record)
        assert.equal(await store.touch(key, now(), record.expiresAt + DAY), true)
        await pause(5)
        assert.equal((await store.read(key))?.expiresAt, record.expiresAt + DAY)
        await store.delete(key)
      }
    },
  },
  {
    title: 'knows a session of 40 days until its last millisecond',
    needs: ['jump'],
    async verify(trial) {
      const { store, now } = trial
      const key = mintKey()
      const record = recordAt(now(), { expiresAt: now() + 40 * DAY })
      await create(store, key, record)

      await elapseUntil(trial, record.expiresAt - 1)
      assertStored(await store.read(key), key, record)

      await elapseUntil(trial, record.expiresAt)
      await assertGone(store, key, now())
    },
  },
  {
    title: 'tells the time of the clock by which sessions expire',
    needs: ['clock'],
    async verify(trial) {
      const { store, now } = trial
      const before = now()

      const told = await store.now?.()

      assert.ok(told !== undefined && Number.isFinite(told))
      assert.ok(
        told >= before - LIFETIME && told <= now() + LIFETIME,
        'the clock must be the one sessions live by',
      )
    },
  },
]

/** Creates a session and lets it expire, with no call to the store after its end. */
async function expire(trial: StoreTrial): Promise<{ readonly key: string; readonly now: number }> {
  const key = mintKey()
  const expiresAt = trial.now() + LIFETIME
  await create(trial.store, key, recordAt(trial.now(), { principal: mintUser(), expiresAt }))
  await elapseUntil(trial, expiresAt)
  return { key, now: trial.now() }
}
