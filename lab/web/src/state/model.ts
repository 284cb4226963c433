/**
 * What the page knows, and how each event of the fleet changes it. No browser in here.
 *
 * @module
 */

import type { LabEvent, LabState, LabText } from '../../../fleet/protocol.ts'
import { addRequests, emptyFeed, type Feed } from './feed.ts'

/** Samples of requests per second kept for each server: a minute. */
export const HISTORY_LENGTH = 60

/** Notices kept. */
export const NOTICE_LIMIT = 40

/** Something a person should read. */
export interface Notice {
  /** Grows by one with each notice. */
  readonly id: number
  readonly level: 'info' | 'warning'
  readonly text: LabText
  readonly at: number
}

/** Requests per second of each server, oldest first. */
export interface LoadHistory {
  readonly samples: Readonly<Record<string, readonly number[]>>
  readonly sampledAt: number
}

/** Everything the page knows. */
export interface LabModel {
  /** `undefined` until the first event. */
  readonly state: LabState | undefined
  readonly feed: Feed
  readonly history: LoadHistory
  /** Newest first. */
  readonly notices: readonly Notice[]
}

/** A page that has heard nothing yet. */
export const emptyModel: LabModel = {
  state: undefined,
  feed: emptyFeed,
  history: { samples: {}, sampledAt: Number.NEGATIVE_INFINITY },
  notices: [],
}

/**
 * Applies one event of the fleet.
 *
 * @param now Time of arrival, in milliseconds.
 */
export function reduceLab(model: LabModel, event: LabEvent, now: number): LabModel {
  if (event.type === 'state') {
    return { ...model, state: event.state, history: sampleLoad(model, event.state, now) }
  }
  if (event.type === 'requests') {
    return { ...model, feed: addRequests(model.feed, event.requests, event.dropped) }
  }
  const { level, text, at } = event
  const id = (model.notices[0]?.id ?? 0) + 1
  return { ...model, notices: [{ id, level, text, at }, ...model.notices].slice(0, NOTICE_LIMIT) }
}

/** The state comes after every change as well as each second, so a sample is taken only when one is due. */
function sampleLoad(model: LabModel, state: LabState, now: number): LoadHistory {
  const { samples, sampledAt } = model.history
  const switched = model.state !== undefined && model.state.strategy !== state.strategy
  // 50 ms of grace: a timer of a second fires a little early or late.
  if (!switched && now - sampledAt < 950) return model.history
  const next = state.servers.map((server) => {
    const known = switched ? [] : (samples[server.id] ?? [])
    return [server.id, [...known, server.requestsPerSecond].slice(-HISTORY_LENGTH)] as const
  })
  return { samples: Object.fromEntries(next), sampledAt: now }
}
