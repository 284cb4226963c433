import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { LabEvent, RequestEntry } from './protocol.ts'
import { createRequestFeed } from './request-feed.ts'

const entry: Omit<RequestEntry, 'seq'> = {
  at: 0,
  method: 'GET',
  path: '/me',
  status: 200,
  server: 'A',
  routedBy: 'new',
  session: undefined,
  sessionSet: undefined,
  milliseconds: 1,
}

function createTrial() {
  const events: (LabEvent & { type: 'requests' })[] = []
  return { events, feed: createRequestFeed((event) => events.push(event)) }
}

describe('createRequestFeed()', () => {
  beforeEach(() => vi.useFakeTimers())
  afterEach(() => vi.useRealTimers())

  it('passes requests on in batches, ten times a second at most', () => {
    const { events, feed } = createTrial()

    for (let request = 0; request < 20; request++) {
      feed.add(entry)
      vi.advanceTimersByTime(50)
    }

    expect(events.length).toBe(10)
    expect(events.flatMap(({ requests }) => requests.map(({ seq }) => seq))).toEqual(
      Array.from({ length: 20 }, (_, index) => index + 1),
    )
  })

  it('keeps the newest hundred of a long batch and says how many it dropped', () => {
    const { events, feed } = createTrial()

    for (let request = 0; request < 250; request++) feed.add(entry)
    vi.advanceTimersByTime(100)

    expect(events).toMatchObject([{ dropped: 150 }])
    expect(events[0]?.requests.map(({ seq }) => seq)).toEqual(
      Array.from({ length: 100 }, (_, index) => index + 151),
    )
  })

  it('stays silent when there was no request', () => {
    const { events, feed } = createTrial()
    feed.add(entry)
    vi.advanceTimersByTime(100)

    vi.advanceTimersByTime(1_000)

    expect(events).toHaveLength(1)
  })

  it('emits nothing once it is closed', () => {
    const { events, feed } = createTrial()
    feed.add(entry)

    feed.close()
    vi.advanceTimersByTime(1_000)

    expect(events).toEqual([])
  })
})
