/**
 * The sessions that one server works with, as its parent knows them.
 *
 * @module
 */

import type { HeldSession } from './protocol.ts'
import type { SessionChange } from './server-messages.ts'

/** Sessions of one server. */
export interface SessionTally {
  /** How many there are. */
  readonly count: number
  apply(change: SessionChange): void
  /** The ones used last, newest first. */
  newest(limit: number): readonly HeldSession[]
  clear(): void
}

/** The lab runs for days and a session may expire unseen: a bound for the handles that are only counted. */
const MAX_COUNTED = 100_000
/** Sessions that are kept with their users; those that end leave room for older ones to be shown. */
const MAX_KEPT = 200

/** Creates an empty tally. */
export function createSessionTally(): SessionTally {
  // The first entry of each is the one that was used longest ago.
  const counted = new Set<string>()
  const kept = new Map<string, HeldSession>()

  return {
    get count() {
      return counted.size
    },
    apply(change) {
      const { handle } = change
      counted.delete(handle)
      kept.delete(handle)
      if (change.type === 'gone') return
      counted.add(handle)
      kept.set(handle, { handle, principal: change.principal })
      dropOldest(counted, MAX_COUNTED)
      dropOldest(kept, MAX_KEPT)
    },
    newest(limit) {
      return [...kept.values()].slice(-limit).reverse()
    },
    clear() {
      counted.clear()
      kept.clear()
    },
  }
}

function dropOldest(entries: Set<string> | Map<string, unknown>, limit: number): void {
  if (entries.size <= limit) return
  const [oldest] = entries.keys()
  if (oldest !== undefined) entries.delete(oldest)
}
