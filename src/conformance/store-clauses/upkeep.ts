/**
 * Clauses on removing expired sessions.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { SessionStore, SweptSession } from '../../stores/store.ts'
import type { StoreClause, StoreTrial } from '../store-contract.ts'
import { assertStored, create, elapseUntil, LIFETIME, mintKey, mintUser, recordAt } from './support.ts'

const needs = ['sweep'] as const

/** Clauses on `sweep`. */
export const upkeepClauses: readonly StoreClause[] = [
  {
    title: 'sweeps each expired session exactly once, with its user, the oldest expiry first',
    needs,
    async verify(trial) {
      const expired = await expireSome(trial, 7)

      const swept = await sweepAll(trial.store, 3)

      const keys = new Set(expired.map(({ key }) => key))
      assert.deepEqual(
        swept.filter(({ key }) => keys.has(key)).map(({ key, principal }) => ({ key, principal })),
        expired,
      )
      assert.deepEqual(await trial.store.sweep?.(100), [], 'there must be nothing left')
    },
  },
  {
    title: 'sweeps no more sessions than it is asked to',
    needs,
    async verify(trial) {
      await expireSome(trial, 5)

      const swept = await trial.store.sweep?.(2)

      assert.equal(swept?.length, 2)
    },
  },
  {
    title: 'never sweeps a live session, not even one that a touch or a write has kept alive',
    needs,
    async verify(trial) {
      const { store, now } = trial
      const at = now()
      const brief = recordAt(at, { expiresAt: at + LIFETIME })
      const [lasting, touched, written] = [mintKey(), mintKey(), mintKey()]
      await create(store, lasting, recordAt(at))
      await create(store, touched, brief)
      await store.touch(touched, at, recordAt(at).expiresAt)
      await store.write(written, await create(store, written, brief), recordAt(at))
      await elapseUntil(trial, brief.expiresAt)

      const swept = new Set((await sweepAll(store, 100)).map(({ key }) => key))

      for (const key of [lasting, touched, written]) {
        assert.equal(swept.has(key), false)
        assertStored(await store.read(key), key, recordAt(at))
      }
    },
  },
  {
    title: 'does not report deleted sessions as swept',
    needs,
    async verify(trial) {
      const { store, now } = trial
      const key = mintKey()
      const record = recordAt(now(), { expiresAt: now() + LIFETIME })
      await create(store, key, record)
      await store.delete(key)
      await elapseUntil(trial, record.expiresAt)

      const swept = await sweepAll(store, 100)

      assert.equal(
        swept.some((session) => session.key === key),
        false,
      )
    },
  },
  {
    title: 'sweeps each expired session on one server when several sweep at once',
    needs: ['sweep', 'peer'],
    async verify(trial) {
      const expired = await expireSome(trial, 40)

      const swept = (
        await Promise.all([trial.store, trial.peer ?? trial.store].map((store) => sweepAll(store, 4)))
      ).flat()

      const keys = swept.map(({ key }) => key)
      assert.equal(new Set(keys).size, keys.length, 'no session may be reported twice')
      for (const { key } of expired) assert.ok(keys.includes(key), 'none may be left')
    },
  },
]

/** Lets sessions expire, each a millisecond after the one before, and gives them in this order. */
async function expireSome(trial: StoreTrial, count: number): Promise<readonly SweptSession[]> {
  const { store, now } = trial
  const at = now()
  const sessions = Array.from({ length: count }, (_, index) => ({
    key: mintKey(),
    principal: index % 2 === 0 ? mintUser() : undefined,
    expiresAt: at + LIFETIME + index,
  }))
  // Created in another order than they expire in.
  for (const { key, principal, expiresAt } of sessions.toReversed()) {
    await create(store, key, recordAt(at, { principal, expiresAt }))
  }
  await elapseUntil(trial, at + LIFETIME + count)
  return sessions.map(({ key, principal }) => ({ key, principal }))
}

async function sweepAll(store: SessionStore, limit: number): Promise<readonly SweptSession[]> {
  const all = new Map<string, SweptSession>()
  for (;;) {
    const swept = (await store.sweep?.(limit)) ?? []
    assert.ok(swept.length <= limit, 'a sweep must respect its limit')
    for (const session of swept) {
      assert.equal(all.has(session.key), false, 'no session may be swept twice')
      all.set(session.key, session)
    }
    if (swept.length < limit) return [...all.values()]
  }
}
