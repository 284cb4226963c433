import { describe, expect, it } from 'vitest'
import {
  START,
  createTrial,
  createFilled,
  createGate,
  withSlowReads,
  withSlowReadsAfterFirst,
  settle,
  moveTimers,
} from '../../../test/support/near-cache-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { StoreUnavailableError, type SessionStore } from '../store.ts'

describe('createNearCache() for writes', () => {
  moveTimers()

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
})
