/**
 * Commits of the same session, one after the other within a process, merged with those of other processes.
 *
 * Requests that change a session while a write of it is under way share the next write, so that parallel requests of
 * one process hardly ever conflict.
 *
 * @module
 */

import { MAX_RECORD_LENGTH, type WriteResult } from '../stores/store.ts'
import { type Attributes, applyChanges, type Change } from './attributes.ts'
import { checkSize, type Engine, type EngineParts, type Found } from './engine.ts'
import { createKeyTable, type KeyedEntry } from './key-table.ts'
import { type Snapshot, toRecord } from './record.ts'
import { pauseBefore } from './retries.ts'

/** Commits changes to stored sessions. */
export interface Commits {
  /**
   * Applies changes to the newest state of a session and stores it.
   *
   * @returns What was stored, which may have moved to another key; otherwise nothing was.
   */
  commit(base: Snapshot, changes: readonly Change[]): Promise<Found>
}

interface Waiting {
  readonly changes: readonly Change[]
  readonly resolve: (found: Found) => void
  readonly reject: (error: unknown) => void
}

interface Queue extends KeyedEntry<Queue> {
  /** What the session's first commit knew it by. */
  readonly key: string
  /** Newest known state; a write on it may still conflict. */
  base: Snapshot
  waiting: Waiting[]
}

/** Those who share one write, until it is stored or refused. */
interface Round {
  readonly queue: Queue
  batch: readonly Waiting[]
  readonly startedAt: number
  attempts: number
}

/** A session as it is about to be stored. */
type NextState = Omit<Snapshot, 'version'> & { version: number }

const SOON = Promise.resolve()

/**
 * Creates the commits of one session manager.
 *
 * Where nobody comes in between, a commit goes through callbacks and no async function: each of these costs every write.
 */
export function createCommits(parts: EngineParts, engine: Pick<Engine, 'follow'>): Commits {
  const { store, clock, lifetime, random } = parts
  const queues = createKeyTable<Queue>()

  /** Stores what waits for one session. */
  function drain(queue: Queue): void {
    const batch = queue.waiting
    queue.waiting = []
    put({ queue, batch, startedAt: performance.now(), attempts: 0 })
  }

  function put(round: Round): void {
    const { queue } = round
    const { base } = queue
    try {
      const { attributes, batch } = applyAll(base.attributes, round.batch)
      round.batch = batch
      if (batch.length === 0) {
        end(round)
        return
      }
      const next = nextState(base, attributes)
      const record = toRecord(next)
      if (batch.length > 1 && record.data.length > MAX_RECORD_LENGTH) {
        // One of them is to blame, and only that one may be refused.
        round.batch = batch.slice(0, 1)
        queue.waiting.unshift(...batch.slice(1))
        put(round)
        return
      }
      store.write(base.key, base.version, checkSize(record)).then(
        (result) => conclude(round, next, result),
        (error: unknown) => refuse(round, error),
      )
    } catch (error) {
      refuse(round, error)
    }
  }

  function conclude(round: Round, next: NextState, result: WriteResult): void {
    if (result.outcome === 'conflict') void retry(round)
    else if (result.outcome === 'gone') settle(round, { kind: 'unknown' })
    else {
      next.version = result.version
      round.queue.base = next
      settle(round, { kind: 'session', snapshot: next })
    }
  }

  async function retry(round: Round): Promise<void> {
    const { queue } = round
    try {
      round.attempts += 1
      await pauseBefore(round.attempts, round.startedAt, random)
      const newer = await engine.follow(queue.base.key)
      if (newer.kind === 'session') {
        queue.base = newer.snapshot
        put(round)
      } else settle(round, newer)
    } catch (error) {
      refuse(round, error)
    }
  }

  function settle(round: Round, found: Found): void {
    for (const { resolve } of round.batch) resolve(found)
    end(round)
  }

  function refuse(round: Round, error: unknown): void {
    for (const { reject } of round.batch) reject(error)
    end(round)
  }

  /** Begins anew when more has come meanwhile. */
  function end({ queue }: Round): void {
    if (queue.waiting.length > 0) drain(queue)
    else queues.delete(queue)
  }

  /** The session as it is after a write now; its version is still that of `base`. */
  function nextState(base: Snapshot, attributes: Attributes): NextState {
    const now = clock.now()
    return {
      ...base,
      attributes,
      lastSeenAt: Math.max(base.lastSeenAt, now),
      expiresAt: Math.max(base.expiresAt, lifetime.expiresAt(base.createdAt, now, base.remembered)),
      replaces: undefined,
    }
  }

  return {
    commit(base, changes) {
      return new Promise((resolve, reject) => {
        const entry = { changes, resolve, reject }
        const queue = queues.get(base.key)
        if (queue) {
          if (base.key === queue.base.key && base.version > queue.base.version) queue.base = base
          queue.waiting.push(entry)
        } else {
          const opened: Queue = { key: base.key, base, waiting: [entry], next: undefined }
          queues.add(opened)
          // Requests of the same turn of the event loop join the first write.
          void SOON.then(() => drain(opened))
        }
      })
    },
  }
}

/** Applies everybody's changes in order. Who fails is refused and left out; the others go on. */
function applyAll(
  base: Attributes,
  waiting: readonly Waiting[],
): { attributes: Attributes; batch: readonly Waiting[] } {
  let attributes = base
  let batch = waiting
  for (const entry of waiting) {
    try {
      attributes = applyChanges(attributes, entry.changes, 'report')
    } catch (error) {
      entry.reject(error)
      batch = batch.filter((other) => other !== entry)
    }
  }
  return { attributes, batch }
}
