/**
 * Lets a few tasks run at once and the others wait for their turn.
 *
 * @module
 */

/** Runs a task when it is its turn, and settles as the task does. */
export type WorkQueue = <T>(task: () => Promise<T>) => Promise<T>

/** Creates a queue that runs at most `concurrency` tasks at once, in the order in which they came. */
export function createWorkQueue(concurrency: number): WorkQueue {
  const waiting: (() => void)[] = []
  let running = 0

  return async (task) => {
    if (running < concurrency) running += 1
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await task()
    } finally {
      const next = waiting.shift()
      // The place is handed over, not given back: a newcomer cannot slip in before the one that waits.
      if (next) next()
      else running -= 1
    }
  }
}
