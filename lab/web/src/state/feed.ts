/**
 * The feed of answered requests: newest first, bounded, and still when the reader wants to read.
 *
 * @module
 */

import type { RequestEntry } from '../../../fleet/protocol.ts'

/** Rows kept, and so rows drawn at most. */
export const FEED_LIMIT = 200

/** The requests that the page remembers. */
export interface Feed {
  /** Newest first, at most {@link FEED_LIMIT}. */
  readonly rows: readonly RequestEntry[]
  /** Rows as they stood when the feed was paused; `undefined` while it runs. */
  readonly frozen: readonly RequestEntry[] | undefined
  /** Requests that have arrived since the feed was paused. */
  readonly held: number
  /** Requests that the fleet left out of its events to keep them small. */
  readonly dropped: number
}

/** Which rows are drawn: all, those of one server, or (`balancer`) those that no server answered. */
export type FeedFilter = { readonly server: string } | 'all' | 'balancer'

/** A feed that has seen nothing. */
export const emptyFeed: Feed = { rows: [], frozen: undefined, held: 0, dropped: 0 }

/** Adds a batch in the order of arrival, oldest first. */
export function addRequests(feed: Feed, requests: readonly RequestEntry[], dropped: number): Feed {
  const rows = [...requests.toReversed(), ...feed.rows].slice(0, FEED_LIMIT)
  const held = feed.frozen ? feed.held + requests.length : 0
  return { ...feed, rows, held, dropped: feed.dropped + dropped }
}

/** Stops or resumes the drawn rows. Rows that arrive meanwhile are kept, within the limit. */
export function pauseFeed(feed: Feed, paused: boolean): Feed {
  return { ...feed, frozen: paused ? (feed.frozen ?? feed.rows) : undefined, held: paused ? feed.held : 0 }
}

/** The rows to draw. */
export function visibleRows(feed: Feed, filter: FeedFilter): readonly RequestEntry[] {
  const rows = feed.frozen ?? feed.rows
  if (filter === 'all') return rows
  const server = filter === 'balancer' ? undefined : filter.server
  return rows.filter((row) => row.server === server)
}
