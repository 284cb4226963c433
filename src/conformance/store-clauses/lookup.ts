/**
 * Clauses on finding the sessions of a user.
 *
 * @module
 */

import assert from 'node:assert/strict'
import type { StoreClause } from '../store-contract.ts'
import {
  assertStored,
  create,
  elapseUntil,
  indexed,
  LIFETIME,
  listedKeys,
  mintKey,
  mintUser,
  recordAt,
  writtenVersion,
} from './support.ts'

const needs = ['list'] as const

/** Clauses on `list`. */
export const lookupClauses: readonly StoreClause[] = [
  {
    title: 'lists the live sessions of a user as read gives them',
    needs,
    async verify({ store, now }) {
      const user = mintUser()
      const keys = Array.from({ length: 12 }, mintKey).sort()
      for (const key of keys) await create(store, key, recordAt(now(), { principal: user, data: key }))

      const sessions = await indexed(store).list(user)

      assert.equal(sessions.length, keys.length)
      for (const session of sessions) {
        const read = await store.read(session.key)
        assert.ok(read)
        const { key, version, ...record } = read
        assertStored(session, key, record)
        assert.equal(session.version, version)
      }
      assert.deepEqual(await listedKeys(store, user), keys)
    },
  },
  {
    title: 'lists nothing for a user without sessions',
    needs,
    async verify({ store, now }) {
      await create(store, mintKey(), recordAt(now()))
      await create(store, mintKey(), recordAt(now(), { principal: mintUser() }))

      assert.deepEqual(await indexed(store).list(mintUser()), [])
    },
  },
  {
    title: 'tells users apart whose ids resemble each other or look like patterns',
    needs,
    async verify({ store, now }) {
      const tail = mintUser('')
      const heads = [
        'ada',
        'ad',
        'ada2',
        'Ada',
        'a_a',
        'a%',
        '%',
        '*',
        'ad[a]',
        ' ada',
        "ada'",
        'é',
        'e\u0301',
        'a:b',
      ]
      const users = [
        ...heads.map((head) => head + tail),
        ...heads.map((head) => tail + head),
        tail,
        `${tail} `,
      ]
      const keys = new Map<string, string>()
      for (const principal of users) {
        const key = mintKey()
        keys.set(principal, key)
        await create(store, key, recordAt(now(), { principal }))
      }

      for (const principal of users) {
        assert.deepEqual(await listedKeys(store, principal), [keys.get(principal)])
      }
    },
  },
  {
    title: 'does not list visitors under an empty user id',
    needs,
    async verify({ store, now }) {
      const [visitor, nameless] = [mintKey(), mintKey()]
      await create(store, visitor, recordAt(now()))
      await create(store, nameless, recordAt(now(), { principal: '' }))

      const listed = await listedKeys(store, '')

      assert.equal(listed.includes(nameless), true)
      assert.equal(listed.includes(visitor), false)
      await store.delete(nameless)
    },
  },
  {
    title: 'follows a session from visitor to user, to another user and back',
    needs,
    async verify({ store, now }) {
      const key = mintKey()
      const [ada, grace] = [mintUser('ada'), mintUser('grace')]
      let version = await create(store, key, recordAt(now()))

      for (const principal of [ada, grace, undefined, ada]) {
        version = writtenVersion(await store.write(key, version, recordAt(now(), { principal })))

        assert.deepEqual(await listedKeys(store, ada), principal === ada ? [key] : [])
        assert.deepEqual(await listedKeys(store, grace), principal === grace ? [key] : [])
      }
    },
  },
  {
    title: 'does not list a session under a user that a refused write named',
    needs,
    async verify({ store, now }) {
      const key = mintKey()
      const [ada, mallory] = [mintUser('ada'), mintUser('mallory')]
      const version = await create(store, key, recordAt(now(), { principal: ada }))

      await store.write(key, version + 7, recordAt(now(), { principal: mallory }))
      await store.write(mintKey(), 1, recordAt(now(), { principal: mallory }))
      await store.create(key, recordAt(now(), { principal: mallory }))

      assert.deepEqual(await listedKeys(store, mallory), [])
      assert.deepEqual(await listedKeys(store, ada), [key])
    },
  },
  {
    title: 'does not list a deleted session',
    needs,
    async verify({ store, now }) {
      const user = mintUser()
      const [left, deleted] = [mintKey(), mintKey()]
      for (const key of [left, deleted]) await create(store, key, recordAt(now(), { principal: user }))

      await store.delete(deleted)

      assert.deepEqual(await listedKeys(store, user), [left])
    },
  },
  {
    title: 'stops listing a session at the instant it expires, and no other of the same user',
    needs,
    async verify(trial) {
      const { store, now } = trial
      const user = mintUser()
      const at = now()
      const [lasting, touched, brief] = [mintKey(), mintKey(), mintKey()]
      await create(store, lasting, recordAt(at, { principal: user }))
      await create(store, touched, recordAt(at, { principal: user, expiresAt: at + LIFETIME }))
      await create(store, brief, recordAt(at, { principal: user, expiresAt: at + LIFETIME }))
      await store.touch(touched, at, recordAt(at).expiresAt)

      await elapseUntil(trial, at + LIFETIME)

      assert.deepEqual(await listedKeys(store, user), [lasting, touched].sort())
    },
  },
  {
    title: 'lists a session with the last use that a touch recorded',
    needs,
    async verify({ store, now }) {
      const key = mintKey()
      const record = recordAt(now(), { principal: mintUser() })
      await create(store, key, record)

      await store.touch(key, record.lastSeenAt + 3, record.expiresAt + 4)

      const [session] = await indexed(store).list(record.principal ?? '')
      assertStored(session, key, {
        ...record,
        lastSeenAt: record.lastSeenAt + 3,
        expiresAt: record.expiresAt + 4,
      })
    },
  },
  {
    title: 'lists on one server what another has just created, logged in or deleted',
    needs: ['list', 'peer'],
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < 25; round++) {
        const user = mintUser()
        const [created, loggedIn] = [mintKey(), mintKey()]
        await create(store, created, recordAt(now(), { principal: user }))
        assert.deepEqual(await listedKeys(peer, user), [created])

        const version = await create(store, loggedIn, recordAt(now()))
        await store.write(loggedIn, version, recordAt(now(), { principal: user }))
        assert.deepEqual(await listedKeys(peer, user), [created, loggedIn].sort())

        await store.delete(created)
        assert.deepEqual(await listedKeys(peer, user), [loggedIn])
      }
    },
  },
  {
    title: 'lists no ghost when a login races with the deletion of the session',
    needs,
    async verify({ store, peer = store, now }) {
      for (let round = 0; round < 50; round++) {
        const key = mintKey()
        const user = mintUser()
        const version = await create(store, key, recordAt(now()))

        await Promise.all([store.write(key, version, recordAt(now(), { principal: user })), peer.delete(key)])

        assert.deepEqual(await listedKeys(store, user), [])
      }
    },
  },
]
