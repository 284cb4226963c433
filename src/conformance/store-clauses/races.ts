/**
 * Clauses on callers that arrive together, on one server or on two.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { SessionStore } from '../../stores/store.ts'
import type { StoreClause, StoreTrial } from '../store-contract.ts'
import { assertGone, assertStored, create, mintKey, mintUser, recordAt } from './support.ts'

/** Repetitions of a race. A store that checks and then writes, in two steps, fails within the first few. */
const ROUNDS = 100

/** Callers that arrive together. */
const CALLERS = 8

/** Clauses on races. A trial without a peer runs them on one handle; with one, callers alternate. */
export const raceClauses: readonly StoreClause[] = [
  {
    title: 'lets exactly one of several creators have the key',
    async verify(trial) {
      const key = mintKey()
      const record = recordAt(trial.now())

      const results = await Promise.all(
        callers(trial).map((store, index) => store.create(key, { ...record, data: String(index) })),
      )

      const winners = results.flatMap(({ outcome }, index) => (outcome === 'written' ? [index] : []))
      assert.equal(winners.length, 1, 'exactly one must be written')
      assertStored(await trial.store.read(key), key, { ...record, data: String(winners[0]) })
    },
  },
  {
    title: 'lets exactly one of several writers of one version win',
    async verify(trial) {
      const key = mintKey()
      const record = recordAt(trial.now())
      let version = await create(trial.store, key, record)

      for (let round = 0; round < ROUNDS / 4; round++) {
        const results = await Promise.all(
          callers(trial).map((store, index) =>
            store.write(key, version, { ...record, data: `${round}.${index}` }),
          ),
        )

        const winners = results.flatMap(({ outcome }, index) => (outcome === 'written' ? [index] : []))
        assert.equal(winners.length, 1, 'exactly one must be written')
        assert.ok(results.every(({ outcome }) => outcome !== 'gone'))
        const stored = await trial.store.read(key)
        assertStored(stored, key, { ...record, data: `${round}.${winners[0]}` })
        assert.ok(stored.version > version, 'versions must grow')
        version = stored.version
      }
    },
  },
  {
    title: 'counts exactly when several callers read, add one and write until it is written',
    async verify(trial) {
      const key = mintKey()
      await create(trial.store, key, recordAt(trial.now(), { data: '0' }))

      await Promise.all(callers(trial).map((store) => increment(store, key, 10)))

      assert.equal((await trial.store.read(key))?.data, String(CALLERS * 10))
    },
  },
  {
    title: 'gives a deleted record to exactly one of several callers',
    async verify(trial) {
      for (let round = 0; round < ROUNDS / 4; round++) {
        const key = mintKey()
        const record = recordAt(trial.now(), { principal: mintUser() })
        await create(trial.store, key, record)

        const deleted = await Promise.all(callers(trial).map((store) => store.delete(key)))

        const given = deleted.filter((session) => session !== undefined)
        assert.equal(given.length, 1, 'exactly one must get the record')
        assertStored(given[0], key, record)
      }
    },
  },
  {
    title: 'never revives a session by a write or a touch that races with its deletion',
    verify: (trial) => verifyNoRevival(trial, trial.store),
  },
  {
    title: 'never revives a session by a write or a touch that races with its deletion on another server',
    needs: ['peer'],
    verify: (trial) => verifyNoRevival(trial, trial.peer ?? trial.store),
  },
  {
    title: 'loses no write that races with touches',
    async verify(trial) {
      const key = mintKey()
      const record = recordAt(trial.now(), { data: '0' })
      await create(trial.store, key, record)

      await Promise.all([
        increment(trial.store, key, 20),
        ...callers(trial).map((store, index) =>
          store.touch(key, record.lastSeenAt + index, record.expiresAt + index),
        ),
      ])

      assert.equal((await trial.store.read(key))?.data, '20')
    },
  },
  {
    title: 'shows what one server has done to the next call on another',
    needs: ['peer'],
    async verify(trial) {
      const { store, peer = store, now } = trial
      for (let round = 0; round < ROUNDS / 4; round++) {
        const key = mintKey()
        const record = recordAt(now(), { data: `${round}` })
        const version = await create(store, key, record)
        assertStored(await peer.read(key), key, record)

        assert.equal((await peer.write(key, version, { ...record, data: 'next' })).outcome, 'written')
        assertStored(await store.read(key), key, { ...record, data: 'next' })
        assert.deepEqual(await store.write(key, version, record), { outcome: 'conflict' })

        assert.ok(await store.delete(key))
        assert.equal(await peer.read(key), undefined)
        assert.deepEqual(await peer.write(key, version, record), { outcome: 'gone' })
        assert.equal(await peer.touch(key, now(), record.expiresAt + 1), false)
      }
    },
  },
]

/** As many callers as arrive together, every other one on the peer. */
function callers({ store, peer = store }: StoreTrial): readonly SessionStore[] {
  return Array.from({ length: CALLERS }, (_, index) => (index % 2 === 0 ? store : peer))
}

async function increment(store: SessionStore, key: string, times: number): Promise<void> {
  let done = 0
  for (let attempt = 0; done < times; attempt++) {
    assert.ok(attempt < 10_000, 'a writer that reads again must get its turn')
    const session = await store.read(key)
    assert.ok(session, 'a live session must be found')
    const data = String(Number(session.data) + 1)
    const { outcome } = await store.write(key, session.version, { ...session, data })
    assert.notEqual(outcome, 'gone')
    if (outcome === 'written') done++
  }
}

/** Lets a write, a touch and a deletion race, in every order of arrival, and looks for a survivor. */
async function verifyNoRevival({ store, now }: StoreTrial, other: SessionStore): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    const key = mintKey()
    const record = recordAt(now(), { data: 'old', principal: mintUser() })
    const version = await create(store, key, record)
    const write = () => store.write(key, version, { ...record, data: 'new' })
    const touch = () => store.touch(key, record.lastSeenAt + 1, record.expiresAt + 1)
    const remove = () => other.delete(key)

    const [removed, written] =
      round % 2 === 0
        ? await Promise.all([remove(), write(), touch()])
        : await Promise.all([touch(), write(), remove()]).then(([, late, first]) => [first, late] as const)

    assert.ok(removed, 'the only deletion must get the record')
    assert.equal(
      removed.data,
      written.outcome === 'written' ? 'new' : 'old',
      'no write may follow the deletion',
    )
    assert.equal(await other.read(key), undefined, 'the session must stay deleted')
    if (round % 10 === 0) await assertGone(store, key, now())
  }
}
