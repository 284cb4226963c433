/**
 * Requests in flight over the drawing: which are shown, and how far each has come.
 *
 * @module
 */

import type { RequestEntry } from '../../../fleet/protocol.ts'

/** One request on its way through the drawing. */
export interface Flight {
  readonly key: number
  readonly entry: RequestEntry
  /** 0 at the browser, 0.5 at the server, 1 back at the browser. */
  readonly progress: number
}

/** Requests in flight. */
export interface Flow {
  /** Takes off. A batch is thinned evenly to what fits, so that every server keeps its share. */
  add(entries: readonly RequestEntry[], now: number): void
  /** Those in the air at this time. */
  at(now: number): readonly Flight[]
  clear(): void
}

/** Options of {@link createFlow}. */
export interface FlowOptions {
  /**
   * Most requests in the air at once.
   *
   * @default 70
   */
  readonly capacity?: number
  /**
   * Time from the browser and back, in milliseconds: long enough to follow with the eye.
   *
   * @default 1400
   */
  readonly duration?: number
  /**
   * Time over which a batch takes off, in milliseconds; the fleet sends ten batches a second.
   *
   * @default 100
   */
  readonly spread?: number
}

/** Creates an empty flow. */
export function createFlow(options: FlowOptions = {}): Flow {
  const { capacity = 70, duration = 1_400, spread = 100 } = options
  let flights: { readonly key: number; readonly entry: RequestEntry; readonly startsAt: number }[] = []
  let count = 0

  function land(now: number): void {
    flights = flights.filter((flight) => flight.startsAt + duration > now)
  }

  return {
    add(entries, now) {
      land(now)
      // A burst may not take all the room: the batches after it would have none for a whole duration.
      const room = Math.min(capacity - flights.length, Math.ceil((capacity * spread) / duration))
      const shown = thin(entries, room)
      for (const [index, entry] of shown.entries()) {
        flights.push({ key: ++count, entry, startsAt: now + (index * spread) / shown.length })
      }
    },
    at(now) {
      land(now)
      return flights
        .filter(({ startsAt }) => startsAt <= now)
        .map(({ key, entry, startsAt }) => ({ key, entry, progress: (now - startsAt) / duration }))
    },
    clear() {
      flights = []
    },
  }
}

/** Picks `room` entries at even distances. */
function thin<T>(entries: readonly T[], room: number): readonly T[] {
  if (entries.length <= room) return entries
  return Array.from(
    { length: Math.max(0, room) },
    (_, index) => entries[Math.floor((index * entries.length) / room)]!,
  )
}
