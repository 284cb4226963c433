import { describe, expect, it, vi } from 'vitest'
import {
  START,
  createTrial,
  createFilled,
  createGate,
  withSlowReads,
  settle,
  moveTimers,
} from '../../../test/support/near-cache-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import type { InvalidationListener } from '../invalidations.ts'
import { createMemoryStore } from '../memory.ts'
import { createNearCache } from '../near-cache.ts'
import { StoreUnavailableError } from '../store.ts'

describe('createNearCache() on a channel', () => {
  moveTimers()

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
})
