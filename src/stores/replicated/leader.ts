/**
 * Reads that ask the log's leader, and what it takes to believe the answer.
 *
 * A server that was leader, and has not heard yet that it no longer is, still answers. Beside a proven copy such an
 * answer shows. Without one, it counts only once the log has taken a compare-and-set in the place of what was read:
 * that needs a majority, and fails when there is anything newer.
 *
 * @module
 */

import { decodeHead } from './codec.ts'
import type { Follower } from './follower.ts'
import type { LogEntry, ReplicatedLog } from './log.ts'
import { sessionName } from './names.ts'

/** Reads by asking. */
export interface Leader {
  /** Questions asked so far. */
  readonly reads: number
  /** Answers that a compare-and-set had to confirm. */
  readonly confirmations: number
  /**
   * The newest entry of a session, removals left out.
   *
   * @param atLeast Revision that the caller has proof of.
   */
  ask(key: string, atLeast: number): Promise<LogEntry | undefined>
}

/** Answers that are doubted before one is put to the proof: an answer may just have crossed a change. */
const DOUBTS = 3
/** Refuted answers in a row before the log counts as unavailable. */
const REFUTATIONS = 20

/** Creates the way to the leader. */
export function createLeader(log: ReplicatedLog, follower: Follower): Leader {
  const confirmOnce = createTurns(confirm)
  let reads = 0
  let confirmations = 0

  function get(name: string): Promise<LogEntry | undefined> {
    reads += 1
    return log.get(name)
  }

  /** Whether an answer agrees with a copy that is proven, and with what the caller has proof of. */
  function isCredible(key: string, entry: LogEntry | undefined, atLeast: number): boolean {
    const { copy, lease } = follower
    if (!entry && atLeast === 0 && !copy?.revisionOf(key)) return true
    if (!copy || !lease.isLive()) return false
    const revision = entry?.revision ?? 0
    const known = copy.revisionOf(key)
    if (!entry || entry.removed) {
      return known === 0 ? atLeast <= Math.max(revision, copy.position) : revision > Math.max(known, atLeast)
    }
    if (revision < Math.max(known, atLeast)) return false
    // What the copy has gone past and does not have was removed, but for what nobody can decode.
    return known !== 0 || revision > copy.position || !decodeHead(entry.meta)
  }

  async function confirm(name: string): Promise<LogEntry | undefined> {
    for (let attempt = 0; attempt < REFUTATIONS; attempt++) {
      const entry = await get(name)
      const revision = entry?.revision ?? 0
      const isThere = entry && !entry.removed
      confirmations += 1
      const confirmed = isThere ? await log.put(name, entry, revision) : await log.remove(name, revision)
      if (confirmed !== undefined) return isThere ? { ...entry, revision: confirmed } : undefined
    }
    throw new Error('Other writers came first again and again')
  }

  return {
    get reads() {
      return reads
    },
    get confirmations() {
      return confirmations
    },
    async ask(key, atLeast) {
      const name = sessionName(key)
      const doubts = follower.lease.isLive() ? DOUBTS : 1
      for (let attempt = 0; attempt < doubts; attempt++) {
        const entry = await get(name)
        if (!isCredible(key, entry, atLeast)) continue
        if (entry) follower.learn(entry)
        return entry?.removed ? undefined : entry
      }
      const entry = await confirmOnce(name)
      if (entry) follower.learn(entry)
      return entry
    },
  }
}

/** Runs a call once at a time for each name; who comes while it runs shares the next one, which begins later. */
function createTurns<Answer>(call: (name: string) => Promise<Answer>): (name: string) => Promise<Answer> {
  const running = new Map<string, Promise<unknown>>()
  const next = new Map<string, Promise<Answer>>()

  function run(name: string): Promise<Answer> {
    next.delete(name)
    const turn = call(name)
    running.set(name, turn)
    const end = () => void (running.get(name) === turn && running.delete(name))
    turn.then(end, end)
    return turn
  }

  return (name) => {
    const current = running.get(name)
    if (!current) return run(name)
    const waiting = next.get(name)
    if (waiting) return waiting
    const turn = current.then(
      () => run(name),
      () => run(name),
    )
    next.set(name, turn)
    return turn
  }
}
