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
import { StoreUnavailableError } from '../store.ts'

describe('createNearCache() for reads', () => {
  moveTimers()

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
})
