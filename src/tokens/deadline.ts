/**
 * Calls to back ends that end in time, and fail in one way.
 *
 * @module
 */

import { CorruptRecordError, StoreUnavailableError } from '../stores/store.ts'

/** Calls one back end. */
export type Caller = <Result>(operation: string, call: () => Promise<Result>) => Promise<Result>

/**
 * Creates a caller.
 *
 * Whatever goes wrong becomes a {@link StoreUnavailableError} with its `cause`, but for {@link CorruptRecordError},
 * which is an answer. A call that misses the deadline goes on unheard.
 *
 * @param backEnd For messages: `'redis store'`.
 * @param timeout Longest wait, in milliseconds.
 */
export function createCaller(backEnd: string, timeout: number): Caller {
  return (operation, call) =>
    new Promise((resolve, reject) => {
      const fail = (reason: string, cause?: unknown) =>
        reject(new StoreUnavailableError(`Cannot ${operation} as the ${backEnd} ${reason}`, { cause }))
      const timer = setTimeout(
        () => fail(`gave no answer in ${timeout} ms; check that it is running and can be reached`),
        timeout,
      )
      call()
        .then(resolve, (error: unknown) => {
          if (error instanceof StoreUnavailableError || error instanceof CorruptRecordError) reject(error)
          else fail('failed; see the cause', error)
        })
        .finally(() => clearTimeout(timer))
    })
}
