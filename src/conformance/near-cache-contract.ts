/**
 * The promises of a near cache before a real back end as data, for any test runner.
 *
 * They take real time: what is examined is how soon a real channel tells, and what happens when it does not.
 *
 * @module
 */

import assert from 'node:assert/strict'
import { setTimeout as pause } from 'node:timers/promises'
import type { NearCache } from '../stores/near-cache.ts'
import type { SessionStore } from '../stores/store.ts'
import { create, mintKey, mintUser, recordAt, writtenVersion } from './store-clauses/support.ts'

/** Two servers with a near cache each, on one back end. */
export interface NearCacheTrial {
  readonly here: SessionStore & NearCache
  readonly there: SessionStore & NearCache
  /** The back end's store without a cache, by a way that nothing below cuts. */
  readonly store: SessionStore
  /** Bound of both caches, in milliseconds. */
  readonly bound: number
  /** Current time by the store's clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Removes every session behind the store's back, as an operator does. */
  readonly wipe?: () => Promise<void>
  /** Breaks the channel of `here` so that it can be noticed. */
  readonly sever?: () => Promise<void>
  /** Lets the channel of `here` fall silent without a word, both ways. */
  readonly silence?: () => Promise<void>
  /** Undoes `sever` and `silence`. */
  readonly heal?: () => Promise<void>
}

/** What a trial must offer for a clause to apply. */
export type NearCacheFault = 'wipe' | 'sever' | 'silence' | 'heal'

/** One promise of a near cache. */
export interface NearCacheClause {
  /** The promise, as a sentence about the cache. */
  readonly title: string
  readonly needs?: readonly NearCacheFault[]
  /** Rejects with an `AssertionError` when the cache breaks the promise. */
  readonly verify: (trial: NearCacheTrial) => Promise<void>
}

/** Longest wait for what is to happen soon, in milliseconds. */
const SOON = 5_000

/** Names the first fault that a clause needs and a trial cannot bring about; `undefined` when the clause applies. */
export function missingFault(clause: NearCacheClause, trial: NearCacheTrial): NearCacheFault | undefined {
  return clause.needs?.find((fault) => trial[fault] === undefined)
}

/** Every clause of the near cache's contract. Each wants a trial of its own. */
export const nearCacheContract: readonly NearCacheClause[] = [
  {
    title: 'serves what it has read, for longer than the bound, while proofs come back',
    async verify(trial) {
      const { here, bound } = trial
      const key = await createKnown(trial)

      let [looks, served] = [0, 0]
      for (const end = performance.now() + bound * 1.5; performance.now() < end; await pause(20)) {
        looks += 1
        if (peek(trial, here, key)) served += 1
      }
      await within(bound, () => peek(trial, here, key) !== undefined)

      // A busy machine may keep a proof waiting now and then.
      assert.ok(served > looks / 2, 'a copy that is proven fresh must be served')
    },
  },
  {
    title:
      'drops its copy soon after another server has written or deleted, and serves no version that is older again',
    async verify(trial) {
      const { here, there, now } = trial
      for (let round = 0; round < 10; round++) {
        const key = await createKnown(trial)
        const before = await here.read(key)
        assert.ok(before)

        const version = writtenVersion(
          await there.write(key, before.version, recordAt(now(), { data: 'next' })),
        )
        await within(trial.bound, () => (peek(trial, here, key)?.version ?? version) >= version)
        await serveAgain(trial, here, key)
        assert.equal(peek(trial, here, key)?.data, 'next')

        await there.delete(key)
        await within(trial.bound, () => peek(trial, here, key) === undefined)
        assert.equal(await here.read(key), undefined)
        assert.equal(peek(trial, here, key), undefined, 'a deleted session must not be served again')
      }
    },
  },
  {
    title: 'hears of what was changed past every cache',
    async verify(trial) {
      const { here, store } = trial
      const key = await createKnown(trial)

      await store.delete(key)

      await within(trial.bound, () => peek(trial, here, key) === undefined)
    },
  },
  {
    title: 'never serves what another server ended longer ago than the bound, however many read meanwhile',
    async verify(trial) {
      const { here, there, bound } = trial
      const keys = await Promise.all(Array.from({ length: 20 }, () => createKnown(trial)))
      const endedAt = new Map<string, number>()
      const race = { isOver: false }

      const readers = Array.from({ length: 4 }, async () => {
        while (!race.isOver) {
          for (const key of keys) {
            const askedAt = performance.now()
            const ended = endedAt.get(key)
            const session = peek(trial, here, key)
            if (!session && Math.random() < 0.2) await here.read(key)
            assert.ok(
              !session || ended === undefined || askedAt - ended <= bound,
              'a session that was ended longer ago than the bound was served',
            )
          }
          await pause(1)
        }
      })
      const reading = Promise.all(readers)
      // It may fail before it is waited for.
      reading.catch(() => undefined)
      try {
        for (const key of keys) {
          await there.delete(key)
          endedAt.set(key, performance.now())
          await pause(20)
        }
        await pause(bound + 200)
      } finally {
        race.isOver = true
        await reading
      }

      for (const key of keys) assert.equal(peek(trial, here, key), undefined)
    },
  },
  {
    title: 'ends a session here at once, and on other servers within the bound',
    async verify(trial) {
      const { here, there } = trial
      const key = await createKnown(trial)
      await serveAgain(trial, there, key)

      await here.delete(key)
      const atOnce = peek(trial, here, key)

      assert.equal(atOnce, undefined)
      assert.equal(await here.read(key), undefined)
      await within(trial.bound, () => peek(trial, there, key) === undefined)
      assert.equal(here.copies.stale(key, trial.now()), undefined)
    },
  },
  {
    title: 'keeps its copy when another server records a use',
    async verify(trial) {
      const { here, there, now } = trial
      const key = await createKnown(trial)
      const before = here.stats().invalidations

      for (let round = 1; round <= 5; round++) {
        assert.equal(await there.touch(key, now() + round, recordAt(now()).expiresAt + round), true)
        await pause(100)
      }
      await pause(500)

      // It is never read again: a copy that was dropped would not come back.
      await within(trial.bound, () => peek(trial, here, key) !== undefined)
      assert.equal(here.stats().invalidations, before, 'a touch must not be told')
    },
  },
  {
    title: 'shows on each server what the version of the cookie proves was written on another',
    async verify(trial) {
      const { here, there, now } = trial
      const key = await createKnown(trial)
      let version = (await here.read(key))?.version ?? 0

      for (let round = 0; round < 40; round++) {
        const [writer, reader] = round % 2 === 0 ? [there, here] : [here, there]
        const record = recordAt(now(), { data: `${round}` })
        version = writtenVersion(await writer.write(key, version, record))
        const atLeast = reader.copies.floor(key, writer.copies.stamp(key, version))

        const session = reader.copies.peek(key, now(), atLeast) ?? (await reader.read(key, atLeast))

        assert.equal(session?.data, record.data)
      }
    },
  },
  {
    title: 'ends with what the store says after both servers have written and read all at once',
    async verify(trial) {
      const { here, there, store, now } = trial
      const keys = await Promise.all(Array.from({ length: 8 }, () => createKnown(trial)))

      await Promise.all(
        [here, there].flatMap((server) =>
          keys.map(async (key) => {
            for (let round = 0; round < 25; round++) {
              const session = peek(trial, server, key) ?? (await server.read(key))
              assert.ok(session)
              await server.write(key, session.version, recordAt(now(), { data: String(Math.random()) }))
              if (round % 3 === 0) await pause(Math.random() * 10)
            }
          }),
        ),
      )
      await pause(trial.bound)

      for (const key of keys) {
        const stored = await store.read(key)
        for (const server of [here, there]) {
          const session = peek(trial, server, key) ?? (await server.read(key))
          assert.deepEqual(
            session && [session.version, session.data],
            stored && [stored.version, stored.data],
          )
        }
      }
    },
  },
  {
    title: 'serves nothing of a back end that was wiped, and puts nothing back into it',
    needs: ['wipe'],
    async verify(trial) {
      const { here, there, store, wipe, bound, now } = trial
      const keys = await Promise.all(Array.from({ length: 5 }, () => createKnown(trial)))

      await wipe?.()
      await within(bound, () => keys.every((key) => peek(trial, here, key) === undefined))

      for (const key of keys) {
        assert.equal(await here.read(key), undefined)
        assert.equal(await there.touch(key, now(), recordAt(now()).expiresAt), false)
        assert.equal((await there.write(key, 1, recordAt(now()))).outcome, 'gone')
        assert.equal(await store.read(key), undefined)
      }
      assert.ok(await createKnown(trial), 'and it goes on working')
    },
  },
  {
    title: 'serves nothing from the moment that its channel breaks, and reads from the store',
    needs: ['sever'],
    async verify(trial) {
      const { here, store, sever, now } = trial
      const key = await createKnown(trial)

      await sever?.()
      await within(1_000, () => peek(trial, here, key) === undefined)
      const next = recordAt(now(), { data: 'next' })
      writtenVersion(await store.write(key, (await store.read(key))?.version ?? 0, next))

      assert.equal((await soon(() => here.read(key)))?.data, 'next')
    },
  },
  {
    title: 'serves again soon after its channel was broken, and nothing that it missed',
    needs: ['sever', 'heal'],
    async verify(trial) {
      const { here, store, sever, heal, now } = trial
      const [changed, same] = [await createKnown(trial), await createKnown(trial)]

      await sever?.()
      const stored = await store.read(changed)
      writtenVersion(await store.write(changed, stored?.version ?? 0, recordAt(now(), { data: 'next' })))
      await heal?.()

      await serveAgain(trial, here, same)
      assert.notEqual(peek(trial, here, changed)?.data, stored?.data)
      await serveAgain(trial, here, changed)
      assert.equal(peek(trial, here, changed)?.data, 'next')
    },
  },
  {
    title:
      'serves nothing once its channel has been silent for the bound, and nothing that it missed afterwards',
    needs: ['silence', 'heal'],
    async verify(trial) {
      const { here, store, silence, heal, bound, now } = trial
      const [changed, same] = [await createKnown(trial), await createKnown(trial)]
      const stored = await store.read(changed)

      await silence?.()
      const silentAt = performance.now()
      const write = store
        .write(changed, stored?.version ?? 0, recordAt(now(), { data: 'next' }))
        .catch(() => undefined)
      while (performance.now() - silentAt <= bound + 50) await pause(10)
      for (const end = performance.now() + 500; performance.now() < end; await pause(10)) {
        assert.equal(peek(trial, here, same), undefined, 'without a proof nothing may be served')
      }
      await heal?.()
      await write
      await soon(async () => {
        const session = await store.read(changed)
        assert.ok(session)
        return (
          session.data === 'next' || store.write(changed, session.version, recordAt(now(), { data: 'next' }))
        )
      })

      await serveAgain(trial, here, same)
      await serveAgain(trial, here, changed)
      assert.equal(peek(trial, here, changed)?.data, 'next')
    },
  },
]

/** Creates a session, and waits until `here` serves a copy of it. */
async function createKnown(trial: NearCacheTrial): Promise<string> {
  const { here, store, now } = trial
  const key = mintKey()
  await create(store, key, recordAt(now(), { principal: mintUser(), data: 'first' }))
  await serveAgain(trial, here, key)
  return key
}

/** Reads until a copy is served: at first there is no proof, and a change that is still under way drops the copy. */
async function serveAgain(
  trial: NearCacheTrial,
  server: SessionStore & NearCache,
  key: string,
): Promise<void> {
  let calm = 0
  for (const end = performance.now() + 2 * SOON; performance.now() < end; await pause(10)) {
    const served = peek(trial, server, key)
    calm = served ? calm + 1 : 0
    if (calm > 15) return
    if (!served) await server.read(key).catch(() => undefined)
  }
  assert.fail('a copy must be served soon')
}

function peek({ now }: NearCacheTrial, { copies }: NearCache, key: string) {
  return copies.peek(key, now(), 0)
}

/** Waits until something holds, and fails when it takes longer than so many milliseconds. */
async function within(milliseconds: number, holds: () => boolean): Promise<void> {
  const start = performance.now()
  while (!holds()) {
    assert.ok(performance.now() - start <= milliseconds, `must be so within ${milliseconds} ms`)
    await pause(2)
  }
}

/** Calls until it works. */
async function soon<Result>(call: () => Promise<Result>): Promise<Result> {
  for (const end = performance.now() + SOON; ; await pause(50)) {
    try {
      return await call()
    } catch (error) {
      if (performance.now() > end) throw error
    }
  }
}
