import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import { createMemoryStore, type MemoryStore, type MemoryStoreOptions } from './memory.ts'
import type { SweptSession } from './store.ts'
import { recordAt } from '../../test/support/records.ts'

const START = Date.UTC(2026, 0, 1)
const DAY = 86_400_000

interface Trial extends StoreTrial {
  readonly store: MemoryStore
}

function createTrial(options: MemoryStoreOptions = {}): Trial {
  let time = START
  return {
    store: createMemoryStore({ now: () => time, ...options }),
    now: () => time,
    elapse: async (milliseconds) => {
      time += milliseconds
    },
    jumps: true,
  }
}

function digestOf(name: string | number): string {
  return createHash('sha256').update(String(name)).digest('base64url')
}

function collectEvicted(store: MemoryStore): SweptSession[] {
  const evicted: SweptSession[] = []
  store.onEvict((session) => evicted.push(session))
  return evicted
}

describe('createMemoryStore()', () => {
  it.for(storeContract)('$title', async (clause, { skip }) => {
    const trial = createTrial()
    const missing = missingCapability(clause, trial)
    if (missing !== undefined) skip(`needs ${missing}`)

    await expect(clause.verify(trial)).resolves.toBeUndefined()
  })

  it('refuses options that are out of range', () => {
    expect(() => createMemoryStore({ maxSessions: 0 })).toThrow(
      new RangeError(
        'Cannot create a memory store as maxSessions must be an integer from 1 to 16000000: received 0',
      ),
    )
    for (const maxSessions of [-1, 1.5, Number.NaN, Infinity, 16_000_001]) {
      expect(() => createMemoryStore({ maxSessions })).toThrow(RangeError)
    }
    expect(() => createMemoryStore({ maxBytes: 1_000 })).toThrow(/maxBytes must be an integer from 2097152/)
  })

  it('evicts the visitor whose last use is longest ago, and tells the listener', async () => {
    const { store, now } = createTrial({ maxSessions: 4 })
    const evicted = collectEvicted(store)
    for (const key of ['read', 'touched', 'written', 'unused']) await store.create(key, recordAt(now()))
    await store.read('read')
    await store.touch('touched', now(), now())
    const { version = 0 } = (await store.read('written')) ?? {}
    await store.write('written', version, recordAt(now()))

    for (const key of ['e', 'f', 'g']) await store.create(key, recordAt(now()))

    expect(evicted.map(({ key }) => key)).toEqual(['unused', 'read', 'touched'])
    expect(await store.read('unused')).toBeUndefined()
    expect(await store.read('written')).toBeDefined()
  })

  it('evicts users only when no visitor is left', async () => {
    const { store, now } = createTrial({ maxSessions: 3 })
    const evicted = collectEvicted(store)
    await store.create('ada', recordAt(now(), { principal: 'ada' }))
    await store.create('visitor', recordAt(now()))
    await store.create('grace', recordAt(now(), { principal: 'grace' }))
    await store.read('ada')

    await store.create('joan', recordAt(now(), { principal: 'joan' }))
    await store.create('mary', recordAt(now(), { principal: 'mary' }))

    expect(evicted).toEqual([
      { key: 'visitor', principal: undefined },
      { key: 'grace', principal: 'grace' },
    ])
    expect(await store.list('grace')).toEqual([])
  })

  it('counts a visitor who has logged in as a user', async () => {
    const { store, now } = createTrial({ maxSessions: 2 })
    const evicted = collectEvicted(store)
    await store.create('ada', recordAt(now()))
    await store.create('visitor', recordAt(now()))
    const { version = 0 } = (await store.read('ada')) ?? {}
    await store.write('ada', version, recordAt(now(), { principal: 'ada' }))
    await store.read('visitor')

    await store.create('other', recordAt(now()))

    expect(evicted.map(({ key }) => key)).toEqual(['visitor'])
  })

  it('drops expired sessions before live ones when it is full, and reports them with the next sweep', async () => {
    const { store, now, elapse } = createTrial({ maxSessions: 3 })
    const evicted = collectEvicted(store)
    await store.create('live', recordAt(now()))
    await store.create('ada', recordAt(now(), { principal: 'ada', expiresAt: now() + 1_000 }))
    await store.create('brief', recordAt(now(), { expiresAt: now() + 2_000 }))
    await elapse(2_000)

    await store.create('d', recordAt(now()))

    expect(evicted).toEqual([])
    expect(await store.sweep(1)).toEqual([{ key: 'ada', principal: 'ada' }])
    expect(await store.sweep(5)).toEqual([{ key: 'brief', principal: undefined }])
    expect(await store.read('live')).toBeDefined()
  })

  it('reports an expired session whose key is taken anew with the next sweep', async () => {
    const { store, now, elapse } = createTrial()
    await store.create('a', recordAt(now(), { principal: 'ada', expiresAt: now() + 10 }))
    await elapse(10)

    await store.create('a', recordAt(now()))

    expect(await store.sweep(5)).toEqual([{ key: 'a', principal: 'ada' }])
  })

  it('keeps within maxBytes by evicting, also when a session grows', async () => {
    const { store, now } = createTrial({ maxBytes: 2_097_152 })
    const evicted = collectEvicted(store)
    const data = 'x'.repeat(200_000)
    for (const key of ['a', 'b', 'c', 'd', 'e']) await store.create(key, recordAt(now(), { data }))
    const { version = 0 } = (await store.read('a')) ?? {}

    const grown = await store.write('a', version, recordAt(now(), { data: data.repeat(8) }))

    expect(grown.outcome).toBe('written')
    expect(evicted.map(({ key }) => key)).toEqual(['b', 'c'])
    expect((await store.read('a'))?.data).toHaveLength(1_600_000)
    await expect(store.create('f', recordAt(now(), { data: data.repeat(20) }))).rejects.toThrow(RangeError)
    expect((await store.read('e'))?.data).toBe(data)
  })

  it('lets a listener use the store', async () => {
    const { store, now } = createTrial({ maxSessions: 1 })
    const reads: unknown[] = []
    store.onEvict(({ key }) => {
      reads.push(store.read(key), store.create('from the listener', recordAt(now())))
    })
    await store.create('a', recordAt(now()))

    const created = store.create('b', recordAt(now(), { data: 'b' }))

    expect((await created).outcome).toBe('written')
    expect(reads.length).toBeGreaterThan(0)
  }, 1_000)

  it('finds sessions of every age in order when 40 days have passed', async () => {
    const { store, now, elapse } = createTrial()
    const ages = [40 * DAY, 1, 30 * DAY, 1_000, 25 * DAY, 999, 60_000]
    for (const age of ages) await store.create(digestOf(age), recordAt(now(), { expiresAt: now() + age }))
    await elapse(40 * DAY - 1)
    const last = await store.read(digestOf(40 * DAY))
    await elapse(1)

    const swept = await store.sweep(100)

    expect(last).toBeDefined()
    expect(swept.map(({ key }) => key)).toEqual(ages.sort((a, b) => a - b).map(digestOf))
  })

  it('keeps a session that never expires, whatever the year', async () => {
    const { store, now, elapse } = createTrial()
    await store.create('forever', recordAt(now(), { expiresAt: Infinity }))
    await store.create('distant', recordAt(now(), { expiresAt: Number.MAX_SAFE_INTEGER }))

    await elapse(1_000 * 366 * DAY)

    expect(await store.sweep(5)).toEqual([])
    expect((await store.read('forever'))?.expiresAt).toBe(Infinity)
    expect((await store.read('distant'))?.expiresAt).toBe(Number.MAX_SAFE_INTEGER)
  })

  it('sweeps everything that has expired, however much there is of one second', async () => {
    const { store, now, elapse } = createTrial()
    const count = 5_000
    for (let index = 0; index < count; index++) {
      await store.create(digestOf(index), recordAt(now(), { expiresAt: now() + 1 + (index % 2) * 500 }))
    }
    await elapse(1_000)

    const sizes = [await store.sweep(3_000), await store.sweep(3_000)].map((swept) => swept.length)

    expect(sizes).toEqual([3_000, 2_000])
  })

  it('tells apart keys that only differ in spelling', async () => {
    const { store, now } = createTrial()
    const digest = digestOf('a')
    const twin = digest.slice(0, 42) + String.fromCodePoint((digest.codePointAt(42) ?? 0) + 1)
    const keys = [digest, twin, `${digest}=`, digest.replace(/^./, 'ā'), '\ud800', '\ud801', '']

    for (const key of keys) await store.create(key, recordAt(now(), { data: key, principal: 'ada' }))

    for (const key of keys) expect((await store.read(key))?.data).toBe(key)
    expect((await store.list('ada')).map(({ key }) => key).sort()).toEqual(keys.sort())
  })

  it('gives lone surrogates back as they came', async () => {
    const { store, now } = createTrial()
    const texts = ['{"name":"\ud83e"}', '\ud83e', 'a\udde5옷', '\u{1f9e5}', `${'옷'.repeat(100)}\ud800`]

    for (const data of texts) await store.create(data, recordAt(now(), { data, principal: data }))

    for (const data of texts) expect(await store.read(data)).toMatchObject({ data, principal: data })
  })

  it('finds the sessions of each of many users after logins and logouts', async () => {
    const { store, now } = createTrial()
    const users = 3_000
    for (let index = 0; index < 3 * users; index++) {
      await store.create(digestOf(index), recordAt(now(), { principal: `user-${index % users}` }))
    }

    for (let index = 0; index < users; index++) {
      await store.delete(digestOf(index))
      const { version = 0 } = (await store.read(digestOf(index + users))) ?? {}
      const principal = `user-${(index + 1) % users}`
      await store.write(digestOf(index + users), version, recordAt(now(), { principal }))
    }

    for (let user = 0; user < users; user++) {
      const expected = [((user - 1 + users) % users) + users, user + 2 * users].map(digestOf).sort()
      expect((await store.list(`user-${user}`)).map(({ key }) => key).sort()).toEqual(expected)
    }
  })

  it('keeps tens of thousands of sessions of every size apart', async () => {
    const { store, now } = createTrial()
    const dataOf = (index: number): string =>
      String(index).padStart((index * 7_919) % 1_200, index % 3 === 0 ? '옷' : '.')
    const count = 30_000

    for (let index = 0; index < count; index++) {
      await store.create(digestOf(index), recordAt(now(), { data: dataOf(index) }))
      if (index % 3 === 2) await store.delete(digestOf(index - 1))
    }

    for (let index = 0; index < count; index++) {
      const data = (await store.read(digestOf(index)))?.data
      expect(data).toBe(index % 3 === 1 ? undefined : dataOf(index))
    }
  })
})
