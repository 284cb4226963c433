import { afterEach, describe, expect, expectTypeOf, it } from 'vitest'
import { createFakeFeed, tellChanges } from '../../test/support/fake-feed.ts'
import {
  START,
  createTrial,
  createFilled,
  createGate,
  withSlowReads,
  settle,
  moveTimers,
} from '../../test/support/near-cache-trial.ts'
import { recordAt } from '../../test/support/records.ts'
import { missingCapability, storeContract, type StoreTrial } from './../conformance/store-contract.ts'
import { createMemoryStore, type MemoryStore } from './memory.ts'
import { createNearCache, type NearCache, type NearCachedStore } from './near-cache.ts'
import {
  CorruptRecordError,
  StoreUnavailableError,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionStore,
} from './store.ts'

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
  moveTimers()

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
