import { describe, expect, it, onTestFinished } from 'vitest'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import {
  createMemoryLog,
  createReplicatedStore,
  type MemoryLog,
  type ReplicatedLog,
  type ReplicatedStoreOptions,
} from './replicated.ts'
import { MAX_RECORD_LENGTH, StoreUnavailableError, type WriteResult } from './store.ts'

/** Two servers on one log, whose clock the test moves. */
async function createTrial(): Promise<StoreTrial> {
  let time = Date.UTC(2030, 0, 1)
  let away = false
  const now = () => time
  const log = createMemoryLog({ now })
  const connect = (): ReplicatedLog =>
    log.connect({
      async call(ask) {
        if (away) throw new Error('unplugged')
        return ask()
      },
    })
  const stores = [connect(), connect()].map((link) =>
    createReplicatedStore(link, { now, monotonic: now, random: () => 0 }),
  )
  onTestFinished(async () => void (await Promise.all(stores.map((store) => store.close()))))
  const [store, peer] = stores as [(typeof stores)[0], (typeof stores)[0]]
  await Promise.all(stores.map(({ ready }) => ready))
  return {
    store,
    peer,
    now,
    jumps: true,
    elapse: async (milliseconds) => {
      time += milliseconds
    },
    corrupt: async (key) => log.put(`s.${key}`, { meta: '[99]', data: Buffer.from('?') }),
    unplug: async () => {
      away = true
    },
  }
}

const RECORD = {
  data: '{"cart":[]}',
  principal: 'ada',
  createdAt: 1,
  lastSeenAt: 1,
  expiresAt: Date.UTC(2031, 0, 1),
}
const KEY = 'k'.repeat(43)

/** A server whose watch the test can hold back, and which it can cut off. */
async function createServer(log: MemoryLog, now: () => number, options: ReplicatedStoreOptions = {}) {
  const state = { away: false, held: false, unreadable: false, watches: 0, calls: 0 }
  let next: () => boolean = () => false
  const link = log.connect({
    async call(ask) {
      state.calls += 1
      if (state.away) throw new Error('unreachable')
      return ask()
    },
    deliver(more) {
      next = more
      if (!state.held && !state.away) while (next());
    },
  })
  const get: ReplicatedLog['get'] = async (key) => {
    if (state.unreadable) throw new Error('no answer')
    return link.get(key)
  }
  const store = createReplicatedStore({ ...link, get }, { now, monotonic: now, random: () => 0, ...options })
  onTestFinished(() => store.close())
  await store.ready
  return {
    store,
    state,
    /** Lets so many entries through, or all. */
    release(count = Number.POSITIVE_INFINITY) {
      for (let done = 0; done < count && next(); done++);
    },
  }
}

function createClock() {
  let time = Date.UTC(2030, 0, 1)
  return {
    now: () => time,
    elapse: (milliseconds: number) => void (time += milliseconds),
  }
}

async function createPair(options: ReplicatedStoreOptions = {}) {
  const clock = createClock()
  const log = createMemoryLog(clock)
  const [one, other] = [
    await createServer(log, clock.now, options),
    await createServer(log, clock.now, options),
  ] as const
  return { ...clock, log, one, other }
}

async function written(result: Promise<WriteResult>): Promise<number> {
  const { outcome, ...rest } = await result
  expect(outcome).toBe('written')
  return 'version' in rest ? rest.version : 0
}

describe('createReplicatedStore()', () => {
  it.for(storeContract)('$title', async (clause, { skip }) => {
    const trial = await createTrial()
    const missing = missingCapability(clause, trial)
    if (missing !== undefined) skip(`needs ${missing}`)
    await clause.verify(trial)
  })

  it('answers on every server from its own copy', async () => {
    const { one, other, now } = await createPair()
    const version = await written(one.store.create(KEY, RECORD))
    const { calls } = other.state

    const session = other.store.copies.peek(KEY, now(), version)

    expect(session).toEqual({ ...RECORD, key: KEY, version })
    expect(other.state.calls).toBe(calls)
  })

  it('does not answer from a copy that is behind what the cookie proves', async () => {
    const { one, other, now } = await createPair()
    const version = await written(one.store.create(KEY, RECORD))
    other.state.held = true
    const next = await written(one.store.write(KEY, version, { ...RECORD, data: 'next' }))
    const floor = other.store.copies.floor(KEY, one.store.copies.stamp(KEY, next))

    const local = other.store.copies.peek(KEY, now(), floor)
    const asked = await other.store.read(KEY, floor)

    expect(floor).toBe(next)
    expect(local).toBeUndefined()
    expect(asked?.data).toBe('next')
  })

  it('takes no stamp that was made up, changed, or made for another session', async () => {
    const { one, other } = await createPair()
    const version = await written(one.store.create(KEY, RECORD))
    const stamp = one.store.copies.stamp(KEY, version + 1)
    const { floor } = other.store.copies

    const floors = [
      floor(KEY, `zz${stamp}`),
      floor(KEY, stamp.slice(0, -1) + (stamp.endsWith('A') ? 'Q' : 'A')),
      floor('o'.repeat(43), stamp),
      floor(KEY, `${(version + 1).toString(36)}-${'A'.repeat(16)}`),
      ...['', '0', '-', 'z'.repeat(64)].map((text) => floor(KEY, text)),
    ]

    expect(floor(KEY, stamp)).toBe(version + 1)
    expect(new Set(floors)).toEqual(new Set([0]))
    expect(stamp).toMatch(/^[\w-]{1,64}$/)
  })

  it('stops answering from its copy at the bound, checked when it is used', async () => {
    const { one, other, now, elapse } = await createPair()
    const version = await written(one.store.create(KEY, RECORD))
    other.state.held = true

    elapse(2_000)
    const within = other.store.copies.peek(KEY, now(), version)
    elapse(1)

    expect(within).toBeDefined()
    expect(other.store.copies.peek(KEY, now(), version)).toBeUndefined()
    expect(other.store.copies.stale(KEY, now())).toBeUndefined()
  })

  it('keeps a copy to get by with for as long as it was told to', async () => {
    const { one, other, now, elapse } = await createPair({ allowStaleFor: 5_000 })
    await written(one.store.create(KEY, RECORD))
    other.state.held = true

    elapse(5_000)
    const within = other.store.copies.stale(KEY, now())
    elapse(1)

    expect(within).toBeDefined()
    expect(other.store.copies.stale(KEY, now())).toBeUndefined()
  })

  it('denies when its copy is past the bound and the leader cannot be reached', async () => {
    const { one, other, now, elapse } = await createPair()
    await written(one.store.create(KEY, RECORD))
    other.state.away = true

    elapse(2_001)

    expect(other.store.copies.peek(KEY, now(), 0)).toBeUndefined()
    await expect(other.store.read(KEY)).rejects.toThrow(StoreUnavailableError)
  })

  it('has forgotten what was deleted while it was deaf', async () => {
    const { one, other, now, elapse } = await createPair()
    await written(one.store.create(KEY, RECORD))
    other.state.away = true
    await one.store.delete(KEY)
    elapse(2_001)
    await expect.poll(() => other.store.stats().isLive).toBe(false)

    other.state.away = false

    await expect.poll(() => other.store.stats().isLive, { timeout: 5_000 }).toBe(true)
    expect(other.store.stats().watches).toBeGreaterThan(1)
    expect(other.store.copies.peek(KEY, now(), 0)).toBeUndefined()
    expect(other.store.stats().sessions).toBe(0)
  })

  it('does not take back in what it has deleted when the watch brings it late', async () => {
    const { one, other, now } = await createPair()
    other.state.held = true
    await written(one.store.create(KEY, RECORD))
    const deleted = await other.store.delete(KEY)

    other.release(1)

    expect(deleted?.data).toBe(RECORD.data)
    expect(other.store.copies.peek(KEY, now(), 0)).toBeUndefined()
  })

  it('begins anew when the log was wiped, and adopts no old session', async () => {
    const { one, other, log, now } = await createPair()
    const version = await written(one.store.create(KEY, RECORD))
    const stamp = one.store.copies.stamp(KEY, version)

    log.wipe()

    await expect.poll(() => [one, other].every(({ store }) => store.stats().watches === 2)).toBe(true)
    await expect.poll(() => one.store.copies.peek(KEY, now(), 0), { timeout: 5_000 }).toBeUndefined()
    expect(await other.store.read(KEY, other.store.copies.floor(KEY, stamp))).toBeUndefined()
    await written(one.store.create('n'.repeat(43), RECORD))
    expect(log.entries().some(({ key, removed }) => key === `s.${KEY}` && !removed)).toBe(false)
  })

  it('begins anew when the log was emptied and no watch has told of it', async () => {
    const { one, other, log, now } = await createPair({ bound: 200 })
    const version = await written(one.store.create(KEY, RECORD))
    const stamp = one.store.copies.stamp(KEY, version)

    log.purge()

    await expect
      .poll(() => [one, other].map(({ store }) => store.copies.peek(KEY, now(), 0)), { interval: 10 })
      .toEqual([undefined, undefined])
    expect(await other.store.read(KEY, other.store.copies.floor(KEY, stamp))).toBeUndefined()
    await expect.poll(() => [one, other].every(({ store }) => store.stats().isLive)).toBe(true)
    expect(one.store.stats()).toMatchObject({ watches: 2, sessions: 0 })
    expect(log.entries().some(({ key, removed }) => key === `s.${KEY}` && !removed)).toBe(false)
  })

  it('begins anew when another server was first to fill the emptied log again', async () => {
    const { one, other, log, now } = await createPair({ bound: 200 })
    await written(one.store.create(KEY, RECORD))

    log.purge()
    log.put('secret', { meta: 's'.repeat(43), data: new Uint8Array(0) })

    await expect
      .poll(() => [one, other].map(({ store }) => store.copies.peek(KEY, now(), 0)), { interval: 10 })
      .toEqual([undefined, undefined])
    await expect.poll(() => [one, other].every(({ store }) => store.stats().isLive)).toBe(true)
    expect(one.store.stats()).toMatchObject({ watches: 2, sessions: 0 })
  })

  it('takes no echo for a proof while it cannot ask whether the log was emptied', async () => {
    const { one, elapse } = await createPair({ bound: 200 })
    one.state.unreadable = true
    elapse(201)

    const { calls } = one.state
    await expect.poll(() => one.state.calls).toBeGreaterThan(calls + 20)

    expect(one.store.stats().isLive).toBe(false)
    one.state.unreadable = false
    await expect.poll(() => one.store.stats().isLive).toBe(true)
  })

  it('lets the leader be asked by every read when copies hold metadata only, and lists by its own index', async () => {
    const { one, other, now } = await createPair({ copy: 'metadata' })
    const version = await written(one.store.create(KEY, RECORD))

    const local = other.store.copies.peek(KEY, now(), version)

    expect(local).toBeUndefined()
    expect(await other.store.read(KEY, version)).toEqual({ ...RECORD, key: KEY, version })
    expect(await other.store.list('ada')).toHaveLength(1)
    expect(other.store.stats()).toMatchObject({ isFull: false, sessions: 1 })
  })

  it('changes to metadata when the copy outgrows its limit', async () => {
    const { one } = await createPair({ bound: 200, fullCopyLimits: { bytes: 1_000 } })
    await written(one.store.create(KEY, { ...RECORD, data: 'x'.repeat(4_000) }))

    await expect.poll(() => one.store.stats().isFull, { timeout: 5_000 }).toBe(false)

    expect((await one.store.read(KEY))?.data).toHaveLength(4_000)
  })

  it('does not believe a leader that was deposed and has not heard of it', async () => {
    const clock = createClock()
    const log = createMemoryLog(clock)
    const healthy = await createServer(log, clock.now)
    const version = await written(healthy.store.create(KEY, RECORD))
    const real = log.connect()
    const old = await real.get(`s.${KEY}`)
    let isDeposed = false
    const store = createReplicatedStore(
      { ...real, get: async (key) => (isDeposed && key === `s.${KEY}` ? old : real.get(key)) },
      { now: clock.now, monotonic: clock.now },
    )
    onTestFinished(() => store.close())
    await healthy.store.write(KEY, version, { ...RECORD, data: 'newer' })
    isDeposed = true

    await expect(store.read(KEY)).rejects.toThrow(StoreUnavailableError)
    isDeposed = false
    expect((await store.read(KEY))?.data).toBe('newer')
  })

  it('keeps a session of the longest data that every store must accept', async () => {
    const { one, other, now } = await createPair()
    const data = '한'.repeat(MAX_RECORD_LENGTH - 2) + '\ud800"'

    const version = await written(one.store.create(KEY, { ...RECORD, data }))

    expect(other.store.copies.peek(KEY, now(), version)?.data).toBe(data)
  })

  it('sets a damaged record aside on one of two servers, where an operator finds it', async () => {
    const { one, other, log } = await createPair()
    await written(one.store.create(KEY, RECORD))
    log.put(`s.${KEY}`, { meta: '[]', data: Buffer.from('damaged') })

    const told = await Promise.all([one.store.quarantine(KEY), other.store.quarantine(KEY)])

    expect(told.toSorted()).toEqual([false, true])
    expect(Buffer.from(log.entries().find(({ key }) => key === `x.${KEY}`)?.data ?? []).toString()).toBe(
      'damaged',
    )
  })

  it('refuses options that make no sense', () => {
    const link = createMemoryLog().connect()

    expect(() => createReplicatedStore(link, { bound: 0 })).toThrow(RangeError)
    expect(() => createReplicatedStore(link, { fullCopyLimits: { servers: -1 } })).toThrow(RangeError)
  })
})
