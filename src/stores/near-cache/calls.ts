/**
 * Calls under way, and whether their answers may still be kept when they come.
 *
 * A read that began before a change of its key may bring what was there before, at any later time. Once the change has
 * been told, nothing would ever correct a copy that was made of it.
 *
 * @module
 */

import type { StoredSession } from '../store.ts'

/** What the calls for one key share that began since it last changed. */
export interface Watch {
  /** Whether no change of the key has been told since the first of them began. */
  valid: boolean
  /** Calls that have not ended. */
  count: number
  /** The read that others may share. */
  flight: Promise<StoredSession | undefined> | undefined
}

/** All calls under way. */
export interface Calls {
  begin(key: string): Watch
  /** Ends a call, and tells whether its answer may be kept. */
  end(key: string, watch: Watch): boolean
  /** The read under way that began after the last change. */
  flight(key: string): Promise<StoredSession | undefined> | undefined
  /** The key changed: no answer to a call that has begun is kept, or shared with others. */
  void(key: string): void
  /** Any key may have changed. */
  voidAll(): void
}

/** Creates the place where calls are noted. It holds one small object for each key with a call under way. */
export function createCalls(): Calls {
  const watches = new Map<string, Watch>()

  return {
    begin(key) {
      let watch = watches.get(key)
      if (!watch) {
        watch = { valid: true, count: 0, flight: undefined }
        watches.set(key, watch)
      }
      watch.count += 1
      return watch
    },
    end(key, watch) {
      watch.count -= 1
      if (watch.count === 0 && watches.get(key) === watch) watches.delete(key)
      return watch.valid
    },
    flight: (key) => watches.get(key)?.flight,
    void(key) {
      const watch = watches.get(key)
      if (!watch) return
      watch.valid = false
      watches.delete(key)
    },
    voidAll() {
      for (const watch of watches.values()) watch.valid = false
      watches.clear()
    },
  }
}
