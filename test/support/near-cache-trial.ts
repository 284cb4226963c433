/**
 * A near cache on a fake feed, whose time and messages the test moves.
 *
 * @module
 */

import { afterEach, beforeEach, vi } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../../src/stores/memory.ts'
import { createNearCache, type NearCacheOptions } from '../../src/stores/near-cache.ts'
import { createFakeFeed, tellChanges } from './fake-feed.ts'
import { recordAt } from './records.ts'

export const START = Date.UTC(2026, 0, 1)

/** Has timers of the tests of a suite stand still until the trial lets time pass. */
export function moveTimers(): void {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
  })
  afterEach(() => void vi.useRealTimers())
}

/** A memory store as back end, a cache before it, and the store as another server has it: without the cache. */
export function createTrial(options: NearCacheOptions = {}, change?: (store: MemoryStore) => MemoryStore) {
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
export async function createFilled(
  options: NearCacheOptions = {},
  change?: (store: MemoryStore) => MemoryStore,
) {
  const trial = createTrial(options, change)
  trial.fake.deliver()
  await trial.memory.create('key', recordAt(START, { data: 'first', principal: 'ada' }))
  trial.fake.deliver()
  await trial.near.read('key')
  trial.reads.length = 0
  return trial
}

/** Something that is answered when the test says so. */
export function createGate() {
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
export function withSlowReads(gate: ReturnType<typeof createGate>) {
  return (store: MemoryStore): MemoryStore => ({
    ...store,
    async read(key) {
      const session = await store.read(key)
      await gate.pass()
      return session
    },
  })
}

export async function settle(): Promise<void> {
  await new Promise(setImmediate)
}

/** As {@link withSlowReads}, but for the first read. */
export function withSlowReadsAfterFirst(gate: ReturnType<typeof createGate>) {
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
