import { describe, expect, it } from 'vitest'
import { createEntry } from '../testing/entries.ts'
import { addRequests, emptyFeed, FEED_LIMIT, pauseFeed, visibleRows } from './feed.ts'

const seqs = (rows: readonly { readonly seq: number }[]): number[] => rows.map(({ seq }) => seq)

describe('addRequests()', () => {
  it('puts the newest first', () => {
    const feed = addRequests(emptyFeed, [createEntry({ seq: 1 }), createEntry({ seq: 2 })], 0)

    const next = addRequests(feed, [createEntry({ seq: 3 })], 0)

    expect(seqs(next.rows)).toEqual([3, 2, 1])
  })

  it('keeps no more rows than the limit, and the newest of them', () => {
    const batch = Array.from({ length: FEED_LIMIT + 50 }, (_, seq) => createEntry({ seq }))

    const feed = addRequests(emptyFeed, batch, 0)

    expect(feed.rows).toHaveLength(FEED_LIMIT)
    expect(feed.rows[0]?.seq).toBe(FEED_LIMIT + 49)
  })

  it('counts what the fleet left out', () => {
    const feed = addRequests(addRequests(emptyFeed, [], 3), [], 4)

    expect(feed.dropped).toBe(7)
  })
})

describe('pauseFeed()', () => {
  it('holds the drawn rows still and counts those that arrive meanwhile', () => {
    const before = addRequests(emptyFeed, [createEntry({ seq: 1 })], 0)

    const paused = addRequests(pauseFeed(before, true), [createEntry({ seq: 2 }), createEntry({ seq: 3 })], 0)

    expect(seqs(visibleRows(paused, 'all'))).toEqual([1])
    expect(paused.held).toBe(2)
  })

  it('shows on resuming what arrived while it was paused', () => {
    const paused = addRequests(pauseFeed(emptyFeed, true), [createEntry({ seq: 1 })], 0)

    const resumed = pauseFeed(paused, false)

    expect(seqs(visibleRows(resumed, 'all'))).toEqual([1])
    expect(resumed.held).toBe(0)
  })

  it('keeps the first still picture when it is paused twice', () => {
    const paused = addRequests(pauseFeed(emptyFeed, true), [createEntry({ seq: 1 })], 0)

    const again = pauseFeed(paused, true)

    expect(visibleRows(again, 'all')).toEqual([])
  })
})

describe('visibleRows()', () => {
  it('shows the rows of one server, or those of no server', () => {
    const batch = [
      createEntry({ seq: 1, server: 'A' }),
      createEntry({ seq: 2, server: 'B' }),
      createEntry({ seq: 3, server: undefined }),
    ]

    const feed = addRequests(emptyFeed, batch, 0)

    expect(seqs(visibleRows(feed, { server: 'B' }))).toEqual([2])
    expect(seqs(visibleRows(feed, 'balancer'))).toEqual([3])
    expect(seqs(visibleRows(feed, 'all'))).toEqual([3, 2, 1])
  })
})
