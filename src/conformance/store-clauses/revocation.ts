/**
 * Clauses on ending all sessions of a user at once.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { RevokingSessionStore, SessionStore } from '../../stores/store.ts'
import type { StoreClause } from '../store-contract.ts'
import { assertGone, assertStored, create, mintKey, mintUser, recordAt, writtenVersion } from './support.ts'

const needs = ['revoke'] as const

/** Sessions that each of two calls ends: enough to be spread over the servers of a store that has several. */
const SESSIONS = 8

/** Repetitions of a race. */
const ROUNDS = 50

/** Clauses on `revokeAll`. */
export const revocationClauses: readonly StoreClause[] = [
  {
    title: 'ends every session of a user at once, and no other',
    needs,
    async verify({ store, now }) {
      const [ada, grace] = [mintUser('ada'), mintUser('grace')]
      const own = await createSome(store, now(), ada)
      const others = await createSome(store, now(), grace)
      const visitors = await createSome(store, now(), undefined)

      await revoking(store).revokeAll(ada)

      for (const key of own) await assertGone(store, key, now())
      for (const key of others) assert.equal((await store.read(key))?.principal, grace)
      for (const key of visitors) assert.ok(await store.read(key))
    },
  },
  {
    title: 'keeps the session that a user ends all others from, unchanged',
    needs,
    async verify({ store, now }) {
      const user = mintUser()
      const record = recordAt(now(), { principal: user, data: 'kept' })
      const kept = mintKey()
      const version = await create(store, kept, record)
      const others = await createSome(store, now(), user)

      for (let times = 0; times < 3; times++) await revoking(store).revokeAll(user, kept)

      assertStored(await store.read(kept), kept, record)
      assert.equal((await store.write(kept, version, record)).outcome, 'written')
      for (const key of others) await assertGone(store, key, now())
      await revoking(store).revokeAll(user)
      await assertGone(store, kept, now())
    },
  },
  {
    title: "ends every session of a user when the one to keep is another's, a visitor's or nobody's",
    needs,
    async verify({ store, now }) {
      const user = mintUser()
      const [theirs, visitors] = [mintKey(), mintKey()]
      await create(store, theirs, recordAt(now(), { principal: mintUser('grace') }))
      await create(store, visitors, recordAt(now()))

      for (const except of [theirs, visitors, mintKey()]) {
        const own = await createSome(store, now(), user)
        await revoking(store).revokeAll(user, except)
        for (const key of own) await assertGone(store, key, now())
      }

      assert.ok(await store.read(theirs))
      assert.ok(await store.read(visitors))
    },
  },
  {
    title: 'knows the sessions that a user begins after all were ended',
    needs,
    async verify({ store, now }) {
      const user = mintUser()
      for (let times = 0; times < 3; times++) {
        const [first = ''] = await createSome(store, now(), user)
        await revoking(store).revokeAll(user)

        const key = mintKey()
        const record = recordAt(now(), { principal: user })
        const version = await create(store, key, record)
        assert.equal((await store.write(key, version, record)).outcome, 'written')
        assertStored(await store.read(key), key, record)
        await assertGone(store, first, now())
      }
    },
  },
  {
    title: 'ends the session that became a user by a write, and not the one that was theirs before',
    needs,
    async verify({ store, now }) {
      const [ada, grace] = [mintUser('ada'), mintUser('grace')]
      const [joined, left, changed] = [mintKey(), mintKey(), mintKey()]
      const visitor = recordAt(now())
      const [own, moved] = [
        { ...visitor, principal: ada },
        { ...visitor, principal: grace },
      ]
      writtenVersion(await store.write(joined, await create(store, joined, visitor), own))
      writtenVersion(await store.write(left, await create(store, left, own), visitor))
      writtenVersion(await store.write(changed, await create(store, changed, own), moved))

      await revoking(store).revokeAll(ada)

      await assertGone(store, joined, now())
      assertStored(await store.read(left), left, visitor)
      assertStored(await store.read(changed), changed, moved)
    },
  },
  {
    title: 'has nothing to end for a user without sessions',
    needs,
    async verify({ store, now }) {
      const [visitor, nameless] = [mintKey(), mintKey()]
      await create(store, visitor, recordAt(now()))
      await create(store, nameless, recordAt(now(), { principal: '' }))

      await revoking(store).revokeAll(mintUser())

      assert.ok(await store.read(visitor))
      assert.ok(await store.read(nameless))
    },
  },
  {
    title: 'shows on one server at once that all sessions of a user were ended on another',
    needs: ['revoke', 'peer'],
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < ROUNDS / 5; round++) {
        const user = mintUser()
        const kept = mintKey()
        const record = recordAt(now(), { principal: user })
        await create(peer, kept, record)
        const [key = ''] = await createSome(peer, now(), user)
        assert.ok(await peer.read(key))

        await revoking(store).revokeAll(user, kept)

        assert.equal(await peer.read(key), undefined)
        assert.deepEqual(await peer.write(key, 1, record), { outcome: 'gone' })
        assert.equal(await peer.touch(key, now(), record.expiresAt + 1), false)
        assertStored(await peer.read(kept), kept, record)
      }
    },
  },
  {
    title: 'brings no session back by a write or a touch that races with its end',
    needs,
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < ROUNDS; round++) {
        const user = mintUser()
        const key = mintKey()
        const record = recordAt(now(), { principal: user })
        const version = await create(store, key, record)
        // One write leaves the record to nobody, as the old record of a session that moved is left.
        const principal = round % 3 === 0 ? '' : round % 3 === 1 ? user : undefined
        const race = [
          () => revoking(peer).revokeAll(user),
          () => store.write(key, version, { ...record, principal, data: 'new' }),
          () => store.touch(key, record.lastSeenAt + 1, record.expiresAt + 1),
        ]

        await Promise.all((round % 2 === 0 ? race : race.toReversed()).map((call) => call()))

        const left = await store.read(key)
        assert.notEqual(left?.principal, user, 'no session of the user may be left')
        if (left) await revoking(store).revokeAll(user)
        assert.deepEqual(await peer.read(key), await store.read(key), 'both servers must see the same')
      }
    },
  },
  {
    title: 'keeps what two servers want to keep when both end all other sessions at once',
    needs,
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < ROUNDS; round++) {
        const user = mintUser()
        const kept = mintKey()
        const record = recordAt(now(), { principal: user })
        await create(store, kept, record)
        const [other = ''] = await createSome(store, now(), user)

        await Promise.all([revoking(store).revokeAll(user, kept), revoking(peer).revokeAll(user, kept)])

        assertStored(await store.read(kept), kept, record)
        assert.equal(await peer.read(other), undefined)
      }
    },
  },
  {
    title: 'keeps at most one of two sessions that each ends all others at once',
    needs,
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < ROUNDS; round++) {
        const user = mintUser()
        const [one = '', two = '', three = ''] = await createSome(store, now(), user)

        await Promise.all([revoking(store).revokeAll(user, one), revoking(peer).revokeAll(user, two)])

        const left = await Promise.all([one, two].map((key) => peer.read(key)))
        assert.ok(left.filter(Boolean).length <= 1, 'each ends the other')
        assert.equal(await store.read(three), undefined)
      }
    },
  },
]

async function createSome(
  store: SessionStore,
  now: number,
  principal: string | undefined,
): Promise<readonly string[]> {
  const keys = Array.from({ length: SESSIONS }, mintKey)
  for (const key of keys) await create(store, key, recordAt(now, { principal }))
  return keys
}

/** The trial's store as one that ends all sessions of a user; the clause names `revoke` among its needs. */
function revoking(store: SessionStore | RevokingSessionStore): RevokingSessionStore {
  assert.ok('revokeAll' in store, 'the store must end all sessions of a user')
  return store
}
