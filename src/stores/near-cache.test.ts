import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest'
import { createFakeFeed, tellChanges } from '../../test/support/fake-feed.ts'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import type { InvalidationListener } from './invalidations.ts'
import { createMemoryStore, type MemoryStore } from './memory.ts'
import { createNearCache, type NearCache, type NearCachedStore, type NearCacheOptions } from './near-cache.ts'
import {
  CorruptRecordError,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionStore,
  StoreUnavailableError,
} from './store.ts'
import { recordAt } from '../../test/support/records.ts'

const START = Date.UTC(2026, 0, 1)

/** A memory store as back end, a cache before it, and the store as another server has it: without the cache. */
function createTrial(options: NearCacheOptions = {}, change?: (store: MemoryStore) => MemoryStore) {
  let wall = START
  let monotonic = 0
  const fake = createFakeFeed()
  const memory = tellChanges(createMemoryStore({ now: () => wall }), fake)
  const back = change ? change(memory) : memory
  const reads: string[] = []
  const counted: MemoryStore = {
    ...back,
    read(key) {
      reads.push(key)
      return back.read(key)
    },
  }
  const near = createNearCache(counted, fake.feed, {
    now: () => wall,
    monotonic: () => monotonic,
    ...options,
  })
  /** Lets time pass in small steps, with messages that arrive as they are sent. */
  function elapse(milliseconds: number, deliver = true): void {
    for (let left = milliseconds; left > 0; left -= 100) {
      const slice = Math.min(left, 100)
      wall += slice
      monotonic += slice
      vi.advanceTimersByTime(slice)
      if (deliver) fake.deliver()
    }
  }
  return {
    near,
    fake,
    memory,
    reads,
    elapse,
    now: () => wall,
    peek: (key: string, atLeast = 0) => near.copies.peek(key, wall, atLeast),
    stale: (key: string) => near.copies.stale(key, wall),
    stall(milliseconds: number) {
      wall += milliseconds
      monotonic += milliseconds
    },
    sleep(milliseconds: number) {
      wall += milliseconds
    },
  }
}

/** A trial with a proven channel and a copy of a session, version 1. */
async function createFilled(options: NearCacheOptions = {}, change?: (store: MemoryStore) => MemoryStore) {
  const trial = createTrial(options, change)
  trial.fake.deliver()
  await trial.memory.create('key', recordAt(START, { data: 'first', principal: 'ada' }))
  trial.fake.deliver()
  await trial.near.read('key')
  trial.reads.length = 0
  return trial
}

/** Something that is answered when the test says so. */
function createGate() {
  const waiting: (() => void)[] = []
  return {
    pass: () => new Promise<void>((resolve) => waiting.push(resolve)),
    open: () => {
      for (const go of waiting.splice(0)) go()
    },
    openNewest: () => waiting.pop()?.(),
  }
}

/** A store whose reads have their answer, and give it when the gate opens. */
function withSlowReads(gate: ReturnType<typeof createGate>) {
  return (store: MemoryStore): MemoryStore => ({
    ...store,
    async read(key) {
      const session = await store.read(key)
      await gate.pass()
      return session
    },
  })
}

async function settle(): Promise<void> {
  await new Promise(setImmediate)
}

describe('createNearCache() as a store', () => {
  function createContractTrial(): StoreTrial {
    let time = START
    const fake = createFakeFeed(true)
    const memory = createMemoryStore({ now: () => time })
    const damaged = new Set<string>()
    let isAway = false
    function look(key: string): void {
      if (isAway) throw new StoreUnavailableError('Cannot reach it', { cause: new Error('unplugged') })
      if (damaged.has(key)) throw new CorruptRecordError('Cannot decode a record')
    }
    const store = tellChanges(
      {
        ...memory,
        now: async () => time,
        create: async (key, record) => (look(''), memory.create(key, record)),
        read: async (key) => (look(key), memory.read(key)),
        write: async (key, version, record) => (look(''), memory.write(key, version, record)),
        touch: async (key, lastSeenAt, expiresAt) => (look(''), memory.touch(key, lastSeenAt, expiresAt)),
        delete: async (key) => (look(''), memory.delete(key)),
        quarantine: async (key) => (look(''), damaged.delete(key), memory.quarantine(key)),
        list: async (user) => (look(''), (await memory.list(user)).filter(({ key }) => !damaged.has(key))),
      },
      fake,
    )
    const [near, peer] = [createNearCache(store, fake.feed), createNearCache(store, fake.feed)]
    closing.push(near, peer)
    return {
      store: near,
      peer,
      now: () => time,
      elapse: async (milliseconds) => {
        time += milliseconds
      },
      jumps: true,
      corrupt: async (key) => void damaged.add(key),
      unplug: async () => {
        isAway = true
      },
    }
  }
  const closing: NearCache[] = []
  afterEach(async () => {
    for (const near of closing.splice(0)) await near.close()
  })

  // A store that lists has no need to revoke.
  for (const clause of storeContract.filter(({ needs }) => !needs?.includes('revoke'))) {
    it(`keeps the contract: ${clause.title}`, async () => {
      const trial = createContractTrial()

      expect(missingCapability(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })
  }
})

describe('createNearCache()', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  })
  afterEach(() => void vi.useRealTimers())

  it('serves a copy of what was read, without asking the store', async () => {
    const { near, peek, reads, now } = await createFilled()

    const session = peek('key')

    expect(session).toEqual({
      ...recordAt(now(), { data: 'first', principal: 'ada' }),
      key: 'key',
      version: 1,
    })
    expect(reads).toEqual([])
    expect(near.stats()).toMatchObject({ hits: 1, fills: 1, size: 1, leaseAge: 0 })
  })

  it('serves nothing before the first proof, nor what was read before it', async () => {
    const { near, fake, memory, peek } = createTrial()
    await memory.create('key', recordAt(START))
    await near.read('key')

    const early = peek('key')
    fake.deliver()
    const unproven = peek('key')
    await near.read('key')

    expect(early).toBeUndefined()
    expect(unproven).toBeUndefined()
    expect(peek('key')).toMatchObject({ version: 1 })
  })

  it('keeps serving for as long as proofs come back', async () => {
    const { peek, elapse } = await createFilled()

    elapse(50_000)

    expect(peek('key')).toMatchObject({ version: 1 })
  })

  it.each(['elapse', 'stall', 'sleep'] as const)(
    'serves nothing when the newest proof is older than the bound: %s',
    async (how) => {
      const trial = await createFilled()

      trial[how](2_000, false)
      const atTheBound = trial.peek('key')
      trial[how](1, false)

      expect(atTheBound).toBeDefined()
      expect(trial.peek('key')).toBeUndefined()
    },
  )

  it('serves again what it had when the same channel goes on after a silence, with all that it held back', async () => {
    const { memory, near, peek, elapse, fake } = await createFilled()
    await memory.create('other', recordAt(START))
    fake.deliver()
    await near.read('other')

    elapse(3_000, false)
    await memory.write('other', 2, recordAt(START))
    elapse(400, false)
    const silent = [peek('key'), peek('other')]
    fake.deliver()

    expect(silent).toEqual([undefined, undefined])
    expect([peek('key'), peek('other')]).toMatchObject([{ version: 1 }, undefined])
  })

  it('serves nothing that it had when the channel broke, however much is proven later', async () => {
    const { near, peek, elapse, fake } = await createFilled()

    fake.breakOff()
    const atOnce = peek('key')
    elapse(1_000)
    const later = peek('key')
    await near.read('key')

    expect(atOnce).toBeUndefined()
    expect(later).toBeUndefined()
    expect(peek('key')).toMatchObject({ version: 1 })
  })

  it('drops a copy when it is told of a change, and everything when it is told of a wipe', async () => {
    const { memory, near, peek, fake } = await createFilled()
    await memory.create('other', recordAt(START))
    fake.deliver()
    await near.read('other')

    await memory.write('key', 1, recordAt(START))
    fake.deliver()
    const afterChange = [peek('key'), peek('other')]
    fake.changeAll()
    fake.deliver()

    expect(afterChange).toMatchObject([undefined, { key: 'other' }])
    expect(peek('other')).toBeUndefined()
    expect(near.stats()).toMatchObject({ size: 0 })
  })

  it.each(['change', 'changeAll', 'breakOff'] as const)(
    'does not keep an answer that a %s has overtaken, nor share it with those who ask later',
    async (what) => {
      const gate = createGate()
      const { near, memory, fake, peek, reads } = createTrial({}, withSlowReads(gate))
      await memory.create('key', recordAt(START, { data: 'first' }))
      fake.deliver()

      const early = near.read('key')
      await settle()
      fake[what]('key')
      fake.deliver()
      const late = near.read('key')
      await settle()
      gate.open()
      await Promise.all([early, late])

      expect(reads).toHaveLength(2)
      expect(near.stats()).toMatchObject({ fillsDropped: 1 })
      // After a break nothing has been proven yet when the later read begins.
      expect(peek('key') !== undefined).toBe(what !== 'breakOff')
    },
  )

  it('asks the store once for those who miss at the same time', async () => {
    const gate = createGate()
    const { near, memory, fake, reads } = createTrial({}, withSlowReads(gate))
    await memory.create('key', recordAt(START))
    fake.deliver()

    const answers = Array.from({ length: 10 }, () => near.read('key', 1))
    await settle()
    gate.open()

    expect(new Set((await Promise.all(answers)).map((session) => session?.version))).toEqual(new Set([1]))
    expect(reads).toEqual(['key'])
  })

  it('asks again for one whose proof is newer than the answer that others wait for', async () => {
    const gate = createGate()
    const { near, memory, fake, reads } = createTrial({}, withSlowReads(gate))
    await memory.create('key', recordAt(START))
    fake.deliver()
    const early = near.read('key')
    await settle()
    await memory.write('key', 1, recordAt(START, { data: 'second' }))

    const late = near.read('key', 2)
    gate.open()
    await early
    await settle()
    gate.open()

    expect(await late).toMatchObject({ data: 'second', version: 2 })
    expect(reads).toHaveLength(2)
  })

  it('shares no question that was asked before a proof, nor any while there is none', async () => {
    const gate = createGate()
    const { near, memory, fake, reads, elapse, stall } = createTrial({}, withSlowReads(gate))
    await memory.create('key', recordAt(START))
    // Nothing of it is left to be told, which would end the sharing as well.
    fake.breakOff()
    elapse(400, false)

    const answers = [near.read('key')]
    await settle()
    answers.push(near.read('key'))
    await settle()
    const unproven = reads.length
    fake.deliver()
    answers.push(near.read('key'))
    await settle()
    const proven = reads.length
    stall(2_001)
    answers.push(near.read('key'))
    await settle()
    const lapsed = reads.length
    gate.open()
    await Promise.all(answers)

    expect([unproven, proven, lapsed]).toEqual([2, 3, 4])
  })

  it('shares no answer that has come, whatever else is under way', async () => {
    const gate = createGate()
    const { near, memory } = await createFilled({}, (store) => ({
      ...store,
      write: () => gate.pass().then(() => ({ outcome: 'conflict' })),
    }))
    const write = near.write('key', 1, recordAt(START))
    await near.read('key')
    await memory.write('key', 1, recordAt(START, { data: 'second' }))

    const read = await near.read('key')
    gate.open()
    await write

    expect(read).toMatchObject({ data: 'second' })
  })

  it('asks anew after a read that failed', async () => {
    let isAway = true
    const { near, memory, fake } = createTrial({}, (store) => ({
      ...store,
      read: async (key) => {
        if (isAway) throw new StoreUnavailableError('Cannot reach it')
        return store.read(key)
      },
    }))
    await memory.create('key', recordAt(START))
    fake.deliver()

    await expect(near.read('key')).rejects.toThrow(StoreUnavailableError)
    isAway = false

    expect(await near.read('key')).toMatchObject({ version: 1 })
  })

  it('serves no copy that is older than what the caller has proof of', async () => {
    const { near, memory, peek } = await createFilled()
    await memory.write('key', 1, recordAt(START, { data: 'second' }))

    const served = [peek('key', 1), peek('key', 2)]
    const read = await near.read('key', 2)

    expect(served).toMatchObject([{ version: 1 }, undefined])
    expect(read).toMatchObject({ data: 'second', version: 2 })
  })

  it('keeps no answer that is older than what the caller has proof of', async () => {
    const { near, peek, fake } = await createFilled()
    fake.change('key')
    fake.deliver()

    const session = await near.read('key', 7)

    expect(session).toMatchObject({ version: 1 })
    expect(peek('key')).toBeUndefined()
  })

  it('serves what was written here as soon as it is acknowledged', async () => {
    const { near, peek, reads } = await createFilled()

    const created = await near.create('other', recordAt(START))
    const written = await near.write('key', 1, recordAt(START, { data: 'second' }))

    expect([created, written]).toMatchObject([{ outcome: 'written' }, { outcome: 'written' }])
    expect([peek('other'), peek('key')]).toMatchObject([{ version: 2 }, { data: 'second', version: 3 }])
    expect(reads).toEqual([])
  })

  it('takes the echo of its own write for a change, and is right again after one read', async () => {
    const { near, peek, fake } = await createFilled()
    await near.write('key', 1, recordAt(START, { data: 'second' }))

    fake.deliver()
    const afterEcho = peek('key')
    await near.read('key')

    expect(afterEcho).toBeUndefined()
    expect(peek('key')).toMatchObject({ data: 'second' })
  })

  it('keeps no acknowledged write that another server may have overwritten meanwhile', async () => {
    const gate = createGate()
    const { near, memory, peek, fake } = await createFilled({}, (store) => ({
      ...store,
      async write(key, version, record) {
        const result = await store.write(key, version, record)
        await gate.pass()
        return result
      },
    }))

    const write = near.write('key', 1, recordAt(START, { data: 'second' }))
    await settle()
    await memory.write('key', 2, recordAt(START, { data: 'third' }))
    fake.deliver()
    gate.open()
    await write

    expect(peek('key')).toBeUndefined()
  })

  it('asks the store after a conflict', async () => {
    const { near, memory, peek, reads } = await createFilled()
    await memory.write('key', 1, recordAt(START, { data: 'second' }))

    const result = await near.write('key', 1, recordAt(START))
    const served = peek('key')
    const read = await near.read('key')

    expect(result).toEqual({ outcome: 'conflict' })
    expect(served).toBeUndefined()
    expect(read).toMatchObject({ data: 'second' })
    expect(reads).toEqual(['key'])
  })

  it.each(['write', 'delete'] as const)(
    'serves nothing after a %s whose outcome is unknown',
    async (what) => {
      const { near, peek, stale } = await createFilled({}, (store) => ({
        ...store,
        [what]: async () => {
          throw new StoreUnavailableError('Cannot reach it')
        },
      }))

      const call = what === 'write' ? near.write('key', 1, recordAt(START)) : near.delete('key')
      await expect(call).rejects.toThrow(StoreUnavailableError)

      expect(peek('key')).toBeUndefined()
      expect(stale('key')).toBeUndefined()
      expect(await near.read('key')).toMatchObject({ version: 1 })
    },
  )

  it.each([
    ['delete', (near: SessionStore) => near.delete('key')],
    ['quarantine', (near: SessionStore) => near.quarantine('key')],
    [
      'write that finds it gone',
      async (near: SessionStore, memory: SessionStore) => {
        await memory.delete('key')
        await near.write('key', 1, recordAt(START))
      },
    ],
  ] as const)(
    'never meets a session again after a %s, not even if the store brings it back',
    async (_, end) => {
      const { near, memory, fake, peek, stale, reads } = await createFilled()

      await end(near, memory)
      await memory.create('key', recordAt(START, { principal: 'ada' }))
      fake.deliver()

      expect(await near.read('key')).toBeUndefined()
      expect(await near.copies.fresh('key')).toBeUndefined()
      expect(await near.list('ada')).toEqual([])
      expect([peek('key'), stale('key')]).toEqual([undefined, undefined])
      expect(reads).toEqual([])
    },
  )

  it('keeps no copy of a session that ended here, not even of a write that succeeds', async () => {
    const { near, memory, peek } = await createFilled()
    await near.delete('key')
    await memory.create('key', recordAt(START))
    const version = (await memory.read('key'))?.version ?? 0

    const result = await near.write('key', version, recordAt(START))

    expect(result).toMatchObject({ outcome: 'written' })
    expect(peek('key')).toBeUndefined()
  })

  it('does not give an ended session to a reader that asked before the end', async () => {
    const gate = createGate()
    const { near, memory, fake, peek } = createTrial({}, withSlowReads(gate))
    await memory.create('key', recordAt(START))
    fake.deliver()

    const read = near.read('key')
    await settle()
    await near.delete('key')
    gate.open()

    expect(await read).toBeUndefined()
    expect(peek('key')).toBeUndefined()
  })

  it('lets a session begin under a key that ended here', async () => {
    const { near, peek, fake } = await createFilled()
    await near.delete('key')

    await near.create('key', recordAt(START, { data: 'anew' }))
    const served = peek('key')
    fake.deliver()

    expect(served).toMatchObject({ data: 'anew' })
    expect(await near.read('key')).toMatchObject({ data: 'anew' })
  })

  it('stays with the end when it was told of it while a session began', async () => {
    const gate = createGate()
    const { near, memory } = await createFilled({}, (store) => ({
      ...store,
      async create(key, record) {
        const result = await store.create(key, record)
        await gate.pass()
        return result
      },
    }))

    const create = near.create('other', recordAt(START))
    await settle()
    await near.delete('other')
    gate.open()
    await create
    await memory.create('other', recordAt(START))

    expect(await near.read('other')).toBeUndefined()
  })

  it('forgets the ends of sessions that would have expired, and the oldest when there are too many', async () => {
    const { near, elapse, now } = await createFilled({ maxEntries: 3 })
    for (const key of ['a', 'b', 'c', 'd', 'e']) {
      await near.create(key, recordAt(now()))
      await near.delete(key)
    }

    const bounded = near.stats().tombstones
    elapse(120_000)
    await near.delete('unknown')

    expect(bounded).toBe(3)
    expect(near.stats().tombstones).toBe(1)
  })

  it('moves the instants of a copy with a touch from here, and never back by a read', async () => {
    const gate = createGate()
    const { near, peek, now, fake } = await createFilled({}, withSlowReadsAfterFirst(gate))

    const read = near.read('key')
    await settle()
    await near.touch('key', now() + 5, now() + 90_000)
    const touched = peek('key')
    gate.open()
    await read

    expect(touched).toMatchObject({ lastSeenAt: START + 5, expiresAt: START + 90_000 })
    expect(peek('key')).toMatchObject({ lastSeenAt: START + 5, expiresAt: START + 90_000 })
    expect(near.stats().invalidations).toBe(1)
    fake.deliver()
    expect(near.stats().invalidations).toBe(1)
  })

  it('drops a copy when a touch finds no session', async () => {
    const { near, memory, peek, now } = await createFilled()
    await memory.delete('key')

    const touched = await near.touch('key', now(), now() + 90_000)

    expect(touched).toBe(false)
    expect(peek('key')).toBeUndefined()
  })

  it('serves no session at or after the instant it expires', async () => {
    const { peek, stale, elapse } = await createFilled()
    elapse(59_999)
    const last = peek('key')

    elapse(1)

    expect(last).toBeDefined()
    expect([peek('key'), stale('key')]).toEqual([undefined, undefined])
  })

  it('lets an older answer that comes late replace nothing', async () => {
    const gate = createGate()
    const { near, memory, peek } = await createFilled({}, withSlowReadsAfterFirst(gate))
    const early = near.read('key')
    await settle()
    await memory.write('key', 1, recordAt(START, { data: 'second' }))
    const late = near.copies.fresh('key')
    await settle()

    gate.openNewest()
    await late
    gate.open()

    expect(await early).toMatchObject({ data: 'first' })
    expect(peek('key')).toMatchObject({ data: 'second', version: 2 })
  })

  it('takes an older answer for the truth when the channel has broken since, as after a failover', async () => {
    let isSetBack = false
    const { near, peek, fake, elapse } = await createFilled({}, (store) => ({
      ...store,
      async read(key) {
        const session = await store.read(key)
        return isSetBack && session ? { ...session, version: 1 } : session
      },
    }))
    await near.write('key', 1, recordAt(START))
    fake.breakOff()
    elapse(1_000)
    isSetBack = true

    await near.read('key')

    expect(peek('key')).toMatchObject({ version: 1 })
  })

  it('keeps no answer from before a write of its own, not even when its copy had to make room', async () => {
    const gate = createGate()
    const { near, peek } = await createFilled({ maxEntries: 1 }, withSlowReadsAfterFirst(gate))
    const read = near.read('key')
    await settle()

    await near.write('key', 1, recordAt(START, { data: 'second' }))
    await near.create('other', recordAt(START))
    gate.open()
    await read

    expect(peek('key')).toBeUndefined()
  })

  it('gives a copy to get by with for as long as it is within the bound since the last proof', async () => {
    const { peek, stale, stall, fake, elapse } = await createFilled()
    elapse(10_000)
    stall(500)

    fake.breakOff()
    const atOnce = [peek('key'), stale('key')]
    stall(1_500)
    const atTheBound = stale('key')
    stall(1)

    expect(atOnce).toMatchObject([undefined, { version: 1 }])
    expect(atTheBound).toMatchObject({ version: 1 })
    expect(stale('key')).toBeUndefined()
  })

  it('counts what was read while nothing was proven as fresh as its own read', async () => {
    const { near, peek, stale, stall, fake } = await createFilled()
    fake.cut()
    fake.breakOff()
    fake.cut()
    stall(5_000)

    await near.read('key')
    stall(2_000)
    const atTheBound = [peek('key'), stale('key')]
    stall(1)

    expect(atTheBound).toMatchObject([undefined, { version: 1 }])
    expect(stale('key')).toBeUndefined()
  })

  it('gives no copy to get by with of a key that it was told of after the break', async () => {
    const { stale, fake } = await createFilled()

    fake.breakOff()
    fake.change('key')
    fake.deliver()

    expect(stale('key')).toBeUndefined()
  })

  it('keeps the copies that were used last when there is no more room', async () => {
    const { near, memory, fake, peek } = createTrial({ maxEntries: 3 })
    fake.deliver()
    for (const key of ['a', 'b', 'c', 'd']) await memory.create(key, recordAt(START))
    fake.deliver()
    for (const key of ['a', 'b', 'c']) await near.read(key)

    peek('a')
    await near.read('d')

    expect(['a', 'b', 'c', 'd'].filter((key) => peek(key))).toEqual(['a', 'c', 'd'])
    expect(near.stats()).toMatchObject({ size: 3, evictions: 1 })
  })

  it('stays within its bytes, and keeps no session that is larger than all of them', async () => {
    const { near, memory, fake, peek } = createTrial({ maxBytes: 100_000 })
    fake.deliver()
    await memory.create('huge', recordAt(START, { data: 'x'.repeat(60_000) }))
    for (let index = 0; index < 20; index++) {
      await memory.create(`key${index}`, recordAt(START, { data: 'x'.repeat(5_000) }))
    }
    fake.deliver()

    for (let index = 0; index < 20; index++) await near.read(`key${index}`)
    await near.read('huge')

    const { bytes, size } = near.stats()
    expect(bytes).toBeGreaterThan(90_000)
    expect(bytes).toBeLessThanOrEqual(100_000)
    expect(size).toBe(9)
    expect([peek('huge'), peek('key0')]).toEqual([undefined, undefined])
    expect(peek('key19')).toBeDefined()
  })

  it('listens anew when the channel stays silent, to it alone, and recovers', async () => {
    const lapses: unknown[] = []
    const { near, fake, peek, elapse } = await createFilled({ onLapse: (error) => lapses.push(error) })
    fake.cut()

    elapse(9_000)
    const afterwards = peek('key')
    await settle()
    elapse(1_000)
    await near.read('key')

    expect(fake.counts).toEqual({ subscribed: 2, open: 1 })
    expect(lapses).toEqual([undefined])
    expect(afterwards).toBeUndefined()
    expect(peek('key')).toMatchObject({ version: 1 })
  })

  it('listens to no channel that it has left', async () => {
    const listeners: InvalidationListener[] = []
    const memory = createMemoryStore({ now: () => START })
    let time = 0
    const near = createNearCache(
      memory,
      {
        name: 'haunted',
        subscribe(listener) {
          listeners.push(listener)
          const isDeaf = listeners.length === 1
          return {
            echo: async (nonce) => (isDeaf ? undefined : listener.echoed(nonce)),
            close: async () => undefined,
          }
        },
      },
      { now: () => START + time, monotonic: () => time },
    )
    for (; time < 9_000; time += 100) vi.advanceTimersByTime(100)
    await settle()
    vi.advanceTimersByTime(400)
    await near.create('key', recordAt(START))

    listeners[0]?.broken()
    listeners[0]?.changed('key')

    expect(listeners).toHaveLength(2)
    expect(near.copies.peek('key', START, 0)).toBeDefined()
    await near.close()
  })

  it('tells once why nothing is proven, and when it is', async () => {
    const told: unknown[] = []
    const { fake, elapse } = createTrial({
      onLapse: (error) => told.push(error),
      onRenew: () => told.push('renewed'),
    })
    const refusal = new StoreUnavailableError('Cannot publish')
    fake.refuse(refusal)
    fake.cut()

    elapse(400)
    await settle()
    elapse(20_000)
    await settle()
    fake.refuse(undefined)
    fake.breakOff()
    elapse(1_000)

    expect(told).toEqual([refusal, 'renewed'])
  })

  it('serves nothing and listens no more once it is closed, and still reads', async () => {
    const { near, memory, fake, peek, stale, elapse } = await createFilled()

    await near.close()
    elapse(1_000)
    const read = await near.read('key')
    await memory.write('key', 1, recordAt(START))
    fake.deliver()

    expect(read).toMatchObject({ version: 1 })
    expect([peek('key'), stale('key')]).toEqual([undefined, undefined])
    expect(fake.counts.open).toBe(0)
    expect(near.stats()).toMatchObject({ size: 0, leaseAge: Number.POSITIVE_INFINITY })
  })

  it('drops the copies of a user whose sessions are ended all at once, but for the one that stays', async () => {
    const ended: unknown[] = []
    const { near, memory, fake, peek } = await createFilled({}, (store) => ({
      ...store,
      revokeAll: async (...call: unknown[]) => void ended.push(call),
    }))
    await memory.create('kept', recordAt(START, { principal: 'ada' }))
    await memory.create('other', recordAt(START, { principal: 'grace' }))
    fake.deliver()
    for (const key of ['kept', 'other']) await near.read(key)

    await (near as unknown as RevokingSessionStore).revokeAll('ada', 'kept')

    expect(ended).toEqual([['ada', 'kept']])
    expect([peek('key'), peek('kept'), peek('other')]).toMatchObject([undefined, {}, {}])
  })

  it('keeps no answer that a revocation of all sessions has overtaken', async () => {
    const gate = createGate()
    const revocation = createGate()
    const { near, memory, fake, peek } = createTrial({}, (store) => ({
      ...withSlowReads(gate)(store),
      revokeAll: () => revocation.pass(),
    }))
    await memory.create('key', recordAt(START, { principal: 'ada' }))
    fake.deliver()

    const revoked = (near as unknown as RevokingSessionStore).revokeAll('ada')
    const read = near.read('key')
    await settle()
    revocation.open()
    await revoked
    gate.open()
    await read

    expect(peek('key')).toBeUndefined()
  })

  it('drops the copy of what the store evicts, sweeps or cannot decode', async () => {
    let isDamaged = false
    const evictors: ((session: { key: string; principal: undefined }) => void)[] = []
    const { near, peek } = await createFilled({}, (store) => ({
      ...store,
      sweep: async () => [{ key: 'swept', principal: undefined }],
      onEvict: (listener) => void evictors.push(listener),
      read: async (key) => {
        if (isDamaged) throw new CorruptRecordError('Cannot decode a record')
        return store.read(key)
      },
    }))
    for (const key of ['evicted', 'swept']) await near.create(key, recordAt(START))

    for (const evict of evictors) evict({ key: 'evicted', principal: undefined })
    await near.sweep(10)
    isDamaged = true
    await expect(near.read('key')).rejects.toThrow(CorruptRecordError)

    expect(['evicted', 'swept', 'key'].map((key) => peek(key))).toEqual([undefined, undefined, undefined])
  })

  it('drops the copy of what the store does not find', async () => {
    const { near, memory, peek } = await createFilled()
    await memory.delete('key')

    const read = await near.read('key')

    expect(read).toBeUndefined()
    expect(peek('key')).toBeUndefined()
  })

  it('can do what the store can, and no more', async () => {
    const plain: SessionStore = {
      name: 'plain',
      create: async () => ({ outcome: 'conflict' }),
      read: async () => undefined,
      write: async () => ({ outcome: 'gone' }),
      touch: async () => false,
      delete: async () => undefined,
      quarantine: async () => false,
    }

    const near = createNearCache(plain, createFakeFeed().feed)
    await near.close()

    expect(Object.keys(near).sort()).toEqual([...Object.keys(plain), 'close', 'copies', 'stats'].sort())
    expect(near.name).toBe('plain')
    expectTypeOf(near).toExtend<SessionStore>()
    expectTypeOf(near).not.toExtend<IndexedSessionStore>()
    expectTypeOf<NearCachedStore<MemoryStore>>().toExtend<MemoryStore & NearCache>()
    expectTypeOf<NearCachedStore<RevokingSessionStore>>().toExtend<RevokingSessionStore>()
  })

  it('encodes versions for the cookie, and takes nothing else for one', async () => {
    const { near } = await createFilled()
    const { stamp, floor } = near.copies
    const versions = [1, 2, 35, 36, 1_000_000, Number.MAX_SAFE_INTEGER]

    const stamps = versions.map((version) => stamp('key', version))
    const strangers = ['', '-1', 'A', '1.5', ' 1', 'é', '1e3!', 'zzzzzzzzzzz', '1'.repeat(12)]

    expect(stamps.map((text) => floor('key', text))).toEqual(versions)
    for (const text of stamps) expect(text).toMatch(/^[0-9a-z]{1,11}$/)
    expect(strangers.map((text) => floor('key', text))).toEqual(strangers.map(() => 0))
  })

  it.each([
    [{ maxEntries: 0 }, 'maxEntries'],
    [{ maxEntries: 1.5 }, 'maxEntries'],
    [{ maxBytes: -1 }, 'maxBytes'],
    [{ bound: 0 }, 'bound'],
    [{ bound: Number.POSITIVE_INFINITY }, 'bound'],
    [{ interval: Number.NaN }, 'interval'],
  ])('refuses %j', (options, name) => {
    const create = () => createNearCache(createMemoryStore(), createFakeFeed().feed, options)

    expect(create).toThrow(RangeError)
    expect(create).toThrow(`Cannot create a near cache as ${name} must be`)
  })

  it('refuses a store that keeps copies itself', async () => {
    const near = createNearCache(createMemoryStore(), createFakeFeed().feed)

    const create = () => createNearCache(near, createFakeFeed().feed)

    expect(create).toThrow(TypeError)
    await near.close()
  })
})

/** As {@link withSlowReads}, but for the first read. */
function withSlowReadsAfterFirst(gate: ReturnType<typeof createGate>) {
  return (store: MemoryStore): MemoryStore => {
    const slow = withSlowReads(gate)(store)
    let isFirst = true
    return {
      ...store,
      read(key) {
        if (!isFirst) return slow.read(key)
        isFirst = false
        return store.read(key)
      },
    }
  }
}
