import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createBroadcast } from './broadcast.ts'
import type { LabEvent, LabState } from './protocol.ts'

function createTrial() {
  let described = 0
  const events: LabEvent[] = []
  const broadcast = createBroadcast(() => ({ strategy: `state ${++described}` }) as LabState)
  return { broadcast, events, listen: (event: LabEvent) => events.push(event), described: () => described }
}

describe('createBroadcast()', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('tells the state each second', () => {
    const { broadcast, events, listen } = createTrial()
    broadcast.subscribe(listen)

    vi.advanceTimersByTime(3_000)

    expect(events.map(({ type }) => type)).toEqual(['state', 'state', 'state'])
    broadcast.close()
  })

  it('tells several changes once, as soon as the most urgent one wants', () => {
    const { broadcast, events, listen } = createTrial()
    broadcast.subscribe(listen)

    broadcast.changed(500)
    broadcast.changed(50)
    broadcast.changed(500)
    vi.advanceTimersByTime(49)
    const before = events.length
    vi.advanceTimersByTime(1)
    const after = events.length
    vi.advanceTimersByTime(900)

    expect([before, after, events.length]).toEqual([0, 1, 1])
    broadcast.close()
  })

  it('does not describe the state while nobody listens', () => {
    const { broadcast, listen, described } = createTrial()
    const unsubscribe = broadcast.subscribe(listen)
    unsubscribe()

    broadcast.changed()
    vi.advanceTimersByTime(3_000)

    expect(described()).toBe(0)
    broadcast.close()
  })

  it('is silent once it is closed', () => {
    const { broadcast, events, listen } = createTrial()
    broadcast.subscribe(listen)
    broadcast.changed()

    broadcast.close()
    vi.advanceTimersByTime(3_000)

    expect(events).toEqual([])
  })
})
