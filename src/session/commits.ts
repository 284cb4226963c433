/**
 * Commits of the same session, one after the other within a process, merged with those of other processes.
 *
 * Requests that change a session while a write of it is under way share the next write, so that parallel requests of
 * one process hardly ever conflict.
 *
 * @module
 */

import { MAX_RECORD_LENGTH } from '../stores/store.ts'
import { type Attributes, applyChanges, type Change } from './attributes.ts'
import { checkSize, type Engine, type EngineParts, type Found } from './engine.ts'
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

interface Queue {
  /** What the session's first commit knew it by. */
  readonly key: string
  /** Newest known state; a write on it may still conflict. */
  base: Snapshot
  waiting: Waiting[]
}

const SOON = Promise.resolve()

/** Creates the commits of one session manager. */
export function createCommits(parts: EngineParts, engine: Pick<Engine, 'follow'>): Commits {
  const { store, clock, lifetime, random } = parts
  // No map: the outgrown table of one refers to the next, so that V8 keeps requests that ended long ago, see `guard.ts`.
  const queues = Object.create(null) as Record<string, Queue>

  /** Stores what waits for one session. It never rejects, and begins anew as long as more comes meanwhile. */
  async function drain(queue: Queue): Promise<void> {
    let batch = queue.waiting.splice(0)
    const startedAt = performance.now()
    try {
      for (let attempt = 0; ; attempt++) {
        if (attempt > 0) {
          await pauseBefore(attempt, startedAt, random)
          const newer = await engine.follow(queue.base.key)
          if (newer.kind !== 'session') return settle(batch, newer)
          queue.base = newer.snapshot
        }
        const { base } = queue
        const applied = applyAll(base.attributes, batch)
        batch = applied.batch
        if (batch.length === 0) return
        const next = nextState(base, applied.attributes)
        const record = toRecord(next)
        if (batch.length > 1 && record.data.length > MAX_RECORD_LENGTH) {
          // One of them is to blame, and only that one may be refused.
          queue.waiting.unshift(...batch.splice(1))
          continue
        }
        const result = await store.write(base.key, base.version, checkSize(record))
        if (result.outcome === 'gone') return settle(batch, { kind: 'unknown' })
        if (result.outcome === 'written') {
          queue.base = { ...next, version: result.version }
          return settle(batch, { kind: 'session', snapshot: queue.base })
        }
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    } finally {
      if (queue.waiting.length > 0) void drain(queue)
      else delete queues[queue.key]
    }
  }

  /** The session as it is after a write now; its version is still that of `base`. */
  function nextState(base: Snapshot, attributes: Attributes): Snapshot {
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
        const queue = queues[base.key]
        if (queue) {
          if (base.key === queue.base.key && base.version > queue.base.version) queue.base = base
          queue.waiting.push(entry)
        } else {
          const opened: Queue = { key: base.key, base, waiting: [entry] }
          queues[base.key] = opened
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
): { attributes: Attributes; batch: Waiting[] } {
  let attributes = base
  const batch = waiting.filter(({ changes, reject }) => {
    try {
      attributes = applyChanges(attributes, changes, 'report')
      return true
    } catch (error) {
      reject(error)
      return false
    }
  })
  return { attributes, batch }
}

function settle(batch: readonly Waiting[], found: Found): void {
  for (const { resolve } of batch) resolve(found)
}
