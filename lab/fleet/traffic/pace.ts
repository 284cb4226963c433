/**
 * Spreads costly calls over time: a login costs the shop 14 ms of argon2, and 500 visitors arrive at once.
 *
 * @module
 */

/** Runs a task when its turn has come, and passes its outcome on. */
export type Pace = <T>(task: () => Promise<T>) => Promise<T>

/**
 * Creates a pace at which at most `concurrency` tasks run at a time.
 *
 * @param rest Pause that follows each task before the next one takes its place, in milliseconds.
 */
export function createPace(concurrency: number, rest = 0): Pace {
  const waiting: (() => void)[] = []
  let free = concurrency

  function release(): void {
    const next = waiting.shift()
    if (next) next()
    else free++
  }

  return async (task) => {
    if (free > 0) free--
    else await new Promise<void>((resolve) => waiting.push(resolve))
    try {
      return await task()
    } finally {
      setTimeout(release, rest)
    }
  }
}
