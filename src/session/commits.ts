/**
 * Commits of the same session, one after the other within a process, merged with those of other processes.
 *
 * Requests that change a session while a write of it is under way share the next write, so that parallel requests of
 * one process hardly ever conflict.
 *
 * @module
 */

import { MAX_RECORD_LENGTH } from '../stores/store.ts'
import { applyChanges, type Attributes, type Change } from './attributes.ts'
import { checkSize, type EngineParts } from './engine.ts'
import { SessionSupersededError } from './errors.ts'
import { type Snapshot, toRecord } from './record.ts'
import { attempts } from './retries.ts'

/** Commits changes to stored sessions. */
export interface Commits {
  /**
   * Applies changes to the newest state of a session and stores it.
   *
   * @returns What was stored; `undefined` when the session is gone and nothing was.
   * @throws {SessionSupersededError} when it became a user's session meanwhile.
   */
  commit(base: Snapshot, changes: readonly Change[]): Promise<Snapshot | undefined>
}

interface Waiting {
  readonly changes: readonly Change[]
  readonly resolve: (snapshot: Snapshot | undefined) => void
  readonly reject: (error: unknown) => void
}

interface Queue {
  /** Newest known state; a write on it may still conflict. */
  base: Snapshot
  waiting: Waiting[]
}

/** What became of a write of a queue's newest state. */
type Progress = 'written' | 'gone' | 'superseded'

/** Creates the commits of one session manager. */
export function createCommits(
  parts: EngineParts,
  follow: (key: string) => Promise<Snapshot | 'superseded' | undefined>,
): Commits {
  const { store, clock, lifetime, random } = parts
  const queues = new Map<string, Queue>()

  async function drain(key: string, queue: Queue): Promise<void> {
    // Requests of the same turn of the event loop join the first write.
    await Promise.resolve()
    while (queue.waiting.length > 0) await writeNext(queue)
    queues.delete(key)
  }

  async function writeNext(queue: Queue): Promise<void> {
    let batch = queue.waiting.splice(0)
    try {
      for await (const attempt of attempts(random)) {
        if (attempt > 0) {
          const newer = await follow(queue.base.key)
          if (typeof newer !== 'object') return settle(batch, newer ?? 'gone', queue)
          queue.base = newer
        }
        const applied = applyAll(queue.base.attributes, batch)
        batch = applied.batch
        if (batch.length === 0) return
        const progress = await write(queue, applied.attributes, batch.length > 1)
        if (progress === 'too large together') {
          // One of them is to blame, and only that one may be refused.
          queue.waiting.unshift(...batch.splice(1))
        } else if (progress !== 'conflict') {
          return settle(batch, progress, queue)
        }
      }
    } catch (error) {
      for (const { reject } of batch) reject(error)
    }
  }

  async function write(
    queue: Queue,
    attributes: Attributes,
    shared: boolean,
  ): Promise<Progress | 'conflict' | 'too large together'> {
    const { base } = queue
    const now = clock.now()
    const lastSeenAt = Math.max(base.lastSeenAt, now)
    const expiresAt = Math.max(base.expiresAt, lifetime.expiresAt(base.createdAt, now, base.remembered))
    const next = { ...base, attributes, lastSeenAt, expiresAt }
    const record = toRecord(next)
    if (!shared) checkSize(record)
    else if (record.data.length > MAX_RECORD_LENGTH) return 'too large together'
    const result = await store.write(base.key, base.version, record)
    if (result.outcome === 'written') queue.base = { ...next, version: result.version }
    return result.outcome
  }

  return {
    commit(base, changes) {
      return new Promise((resolve, reject) => {
        const entry = { changes, resolve, reject }
        const queue = queues.get(base.key)
        if (queue) {
          if (base.version > queue.base.version && base.key === queue.base.key) queue.base = base
          queue.waiting.push(entry)
        } else {
          const opened = { base, waiting: [entry] }
          queues.set(base.key, opened)
          void drain(base.key, opened)
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
      attributes = applyChanges(attributes, changes)
      return true
    } catch (error) {
      reject(error)
      return false
    }
  })
  return { attributes, batch }
}

function settle(batch: readonly Waiting[], progress: Progress, queue: Queue): void {
  for (const { resolve, reject } of batch) {
    if (progress === 'written') resolve(queue.base)
    else if (progress === 'gone') resolve(undefined)
    else reject(superseded())
  }
}

/** The refusal of a change under an id from before a login. */
export function superseded(): SessionSupersededError {
  return new SessionSupersededError(
    'Cannot change a session as its visitor has just logged in through another request: try again with the new cookie',
  )
}
