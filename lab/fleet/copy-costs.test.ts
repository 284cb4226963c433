import { describe, expect, it, onTestFinished } from 'vitest'
import { createMemoryLog, createReplicatedStore } from 'coatcheck/stores/replicated'
import { type CopyCounts, countNearCache, countReplication, createCostMeter } from './copy-costs.ts'
import type { LogTraffic } from './protocol.ts'

const lag = { p50: 1, p99: 4, max: 12 }

function traffic(messages: number, bytes: number): LogTraffic {
  return { messagesIn: messages, messagesOut: messages / 2, bytesIn: bytes, bytesOut: bytes / 2 }
}

/** A meter on counts and a clock that the test moves. */
function createTrial(first: Partial<CopyCounts> = {}) {
  let time = 0
  let counts: CopyCounts = {
    sessions: 0,
    bytes: 0,
    leaseAge: 0,
    isLive: true,
    localReads: 0,
    askedReads: 0,
    changes: 0,
    log: { isFull: true, lag, total: traffic(0, 0) },
    ...first,
  }
  const read = createCostMeter(
    () => counts,
    () => time,
  )
  return {
    read,
    /** Reads again after so many milliseconds, in which the counts have become these. */
    readAfter(milliseconds: number, next: Partial<CopyCounts>) {
      time += milliseconds
      counts = { ...counts, ...next }
      return read()
    },
  }
}

describe('createCostMeter()', () => {
  it('tells messages and bytes for each second and for each change', () => {
    const { readAfter } = createTrial({
      changes: 100,
      log: { isFull: true, lag, total: traffic(1_000, 9_000) },
    })

    const costs = readAfter(2_000, {
      changes: 105,
      log: { isFull: true, lag, total: traffic(1_040, 19_000) },
    })

    expect(costs).toMatchObject({
      changesPerSecond: 2.5,
      log: { perSecond: traffic(20, 5_000), perChange: traffic(8, 2_000), total: traffic(1_040, 19_000) },
    })
  })

  it('speaks of the last ten seconds', () => {
    const { readAfter } = createTrial()
    for (let second = 1; second <= 10; second++) readAfter(1_000, { changes: 90 })

    const within = readAfter(0, {})
    const beyond = readAfter(1_000, {})

    expect(within.changesPerSecond).toBe(9)
    expect(beyond.changesPerSecond).toBe(0)
  })

  it('takes the time into account in which the process stood still', () => {
    const { readAfter } = createTrial()
    readAfter(1_000, {})

    const costs = readAfter(30_000, { changes: 60 })

    expect(costs.changesPerSecond).toBe(2)
  })

  it('tells nothing for each change when there was none, and no rate when no time has passed', () => {
    const { read } = createTrial({ changes: 7 })

    const { changesPerSecond, log } = read()

    expect(changesPerSecond).toBe(0)
    expect(log).toMatchObject({ perSecond: traffic(0, 0), perChange: undefined })
  })

  it('says in a way that JSON can carry that nothing was proven yet', () => {
    const { read } = createTrial({ leaseAge: Number.POSITIVE_INFINITY })

    expect(read().leaseAge).toBeUndefined()
  })

  it('has no figures of a log where there is none', () => {
    const { readAfter } = createTrial({ log: undefined })

    expect(readAfter(1_000, { changes: 3 })).toMatchObject({ changesPerSecond: 3, log: undefined })
  })
})

describe('countReplication()', () => {
  it('tells what a replicated store counts', async () => {
    const store = createReplicatedStore(createMemoryLog().connect())
    onTestFinished(() => store.close())
    await store.ready
    const stats = {
      ...store.stats(),
      sessions: 2,
      copyBytes: 900,
      leaseAge: 120,
      isLive: true,
      localReads: 5,
      leaderReads: 4,
      changes: 3,
      lag,
      traffic: traffic(20, 5_000),
    }

    const counts = countReplication(stats)

    expect(counts).toEqual({
      sessions: 2,
      bytes: 900,
      leaseAge: 120,
      isLive: true,
      localReads: 5,
      askedReads: 4,
      changes: 3,
      log: { isFull: true, lag, total: traffic(20, 5_000) },
    })
  })
})

describe('countNearCache()', () => {
  it.each([
    [120, true],
    [2_000, true],
    [2_001, false],
    [Number.POSITIVE_INFINITY, false],
  ])('tells what a near cache counts, its lease %d ms old', (leaseAge, isLive) => {
    const counts = countNearCache(
      {
        hits: 5,
        misses: 2,
        fills: 2,
        fillsDropped: 0,
        invalidations: 3,
        evictions: 0,
        leaseAge,
        size: 2,
        bytes: 900,
        tombstones: 1,
      },
      2_000,
    )

    expect(counts).toEqual({
      sessions: 2,
      bytes: 900,
      leaseAge,
      isLive,
      localReads: 5,
      askedReads: 2,
      changes: 3,
      log: undefined,
    })
  })
})
