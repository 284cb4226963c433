/**
 * Callers that wait for a watch to come to an entry.
 *
 * @module
 */

/** Callers by the revision that they wait for. */
export interface Waiters {
  /** Resolves when the watch has come to the revision; rejects when it does not in time. */
  wait(revision: number): Promise<void>
  /** The watch has come to this revision. */
  release(position: number): void
}

/** Creates an empty list, with the longest wait in milliseconds. */
export function createWaiters(patience: number): Waiters {
  const waiters = new Set<{ readonly revision: number; readonly release: () => void }>()

  return {
    wait(revision) {
      return new Promise((resolve, reject) => {
        const timer = setTimeout(() => {
          waiters.delete(waiter)
          reject(new Error(`The watch did not catch up in ${patience} ms`))
        }, patience)
        const waiter = {
          revision,
          release() {
            clearTimeout(timer)
            resolve()
          },
        }
        waiters.add(waiter)
      })
    },
    release(position) {
      for (const waiter of waiters) {
        if (waiter.revision > position) continue
        waiters.delete(waiter)
        waiter.release()
      }
    },
  }
}
