import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createLease, type LeaseOptions } from './lease.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

function createTrial(options: LeaseOptions = {}) {
  const nonces: string[] = []
  const heard: string[] = []
  let monotonic = 1_000
  let wall = 1_700_000_000_000
  const lease = createLease(
    async (nonce) => {
      nonces.push(nonce)
    },
    {
      monotonic: () => monotonic,
      wall: () => wall,
      onLapse: () => heard.push('lapse'),
      onRenew: () => heard.push('renew'),
      ...options,
    },
  )
  return {
    lease,
    nonces,
    heard,
    last: () => nonces.at(-1) as string,
    elapse(milliseconds: number) {
      monotonic += milliseconds
      wall += milliseconds
      vi.advanceTimersByTime(milliseconds)
    },
    stall(milliseconds: number) {
      monotonic += milliseconds
      wall += milliseconds
    },
    sleep(milliseconds: number) {
      wall += milliseconds
    },
  }
}

describe('createLease()', () => {
  it('claims nothing before the first nonce has come back', () => {
    const { lease, last } = createTrial()

    const before = lease.isLive()
    lease.confirm(last())

    expect(before).toBe(false)
    expect(lease.isLive()).toBe(true)
  })

  it('proves what was acknowledged before a nonce was sent, not before it came back', () => {
    const { lease, last, stall } = createTrial()

    stall(1_500)
    lease.confirm(last())

    expect(lease.age()).toBe(1_500)
  })

  it('ends its claim when the newest proof is older than the bound', () => {
    const { lease, last, stall } = createTrial()
    lease.confirm(last())

    stall(2_000)
    const atTheBound = lease.isLive()
    stall(1)

    expect(atTheBound).toBe(true)
    expect(lease.isLive()).toBe(false)
  })

  it('is renewed by each nonce that comes back', () => {
    const { lease, nonces, last, elapse } = createTrial()

    for (let round = 0; round < 20; round++) {
      lease.confirm(last())
      elapse(400)
    }

    expect(nonces).toHaveLength(21)
    expect(lease.isLive()).toBe(true)
  })

  it('does not go back to an older proof that arrives late', () => {
    const { lease, nonces, elapse } = createTrial()
    elapse(400)

    lease.confirm(nonces[1] as string)
    lease.confirm(nonces[0] as string)

    expect(lease.age()).toBe(0)
  })

  it('takes no nonce of another process, and none twice', () => {
    const one = createTrial()
    const other = createTrial()

    one.lease.confirm(other.last())
    const byStranger = one.lease.isLive()
    one.lease.confirm(one.last())
    one.lease.break()
    one.lease.confirm(one.last())

    expect(byStranger).toBe(false)
    expect(one.lease.isLive()).toBe(false)
  })

  it('ends its claim at once when the channel breaks, until a later nonce comes back', () => {
    const { lease, nonces, last, elapse, heard } = createTrial()
    lease.confirm(last())
    elapse(400)

    lease.break()
    lease.confirm(nonces[1] as string)
    const afterBreak = lease.isLive()
    lease.probe()
    lease.confirm(last())

    expect(afterBreak).toBe(false)
    expect(lease.isLive()).toBe(true)
    expect(heard).toEqual(['renew', 'lapse', 'renew'])
  })

  it('counts the time for which the machine slept', () => {
    const { lease, last, sleep } = createTrial()
    lease.confirm(last())

    sleep(60_000)

    expect(lease.isLive()).toBe(false)
  })

  it('tells once of a lapse that nobody asked about', () => {
    const { lease, last, elapse, heard } = createTrial()
    lease.confirm(last())

    elapse(10_000)

    expect(heard).toEqual(['renew', 'lapse'])
  })

  it('goes on sending when a nonce could not be sent', () => {
    let sends = 0
    const lease = createLease(
      async () => {
        sends += 1
        throw new Error('unreachable')
      },
      { monotonic: () => 0, wall: () => 0 },
    )

    vi.advanceTimersByTime(800)
    lease.stop()
    vi.advanceTimersByTime(800)

    expect(sends).toBe(3)
  })
})
