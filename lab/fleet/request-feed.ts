/**
 * Gathers answered requests into few events, so that a busy fleet does not drown its dashboard.
 *
 * @module
 */

import type { LabEvent, RequestEntry } from './protocol.ts'

/** Receives requests one by one and passes them on in batches. */
export interface RequestFeed {
  add(entry: Omit<RequestEntry, 'seq'>): void
  close(): void
}

const INTERVAL = 100
const BATCH_SIZE = 100

/**
 * Creates a feed that emits at most ten events a second with at most a hundred requests each.
 *
 * Of a longer batch the newest stay; the event says how many were dropped.
 */
export function createRequestFeed(emit: (event: LabEvent & { type: 'requests' }) => void): RequestFeed {
  let seq = 0
  let dropped = 0
  let batch: RequestEntry[] = []
  let timer: NodeJS.Timeout | undefined

  function flush(): void {
    timer = undefined
    const event = { type: 'requests', requests: batch, dropped } as const
    batch = []
    dropped = 0
    emit(event)
  }

  return {
    add(entry) {
      batch.push({ ...entry, seq: ++seq })
      if (batch.length > BATCH_SIZE) {
        batch.shift()
        dropped += 1
      }
      timer ??= setTimeout(flush, INTERVAL)
    },
    close() {
      clearTimeout(timer)
    },
  }
}
