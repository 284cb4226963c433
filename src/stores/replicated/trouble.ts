/**
 * What the replicated store says when something went wrong.
 *
 * @module
 */

import { CorruptRecordError, StoreUnavailableError } from '../store.ts'

/** Runs a call; whatever goes wrong in it becomes a {@link StoreUnavailableError} with its cause, and says what to do. */
export async function withReason<Result>(operation: string, call: () => Promise<Result>): Promise<Result> {
  try {
    return await call()
  } catch (error) {
    if (error instanceof CorruptRecordError || error instanceof StoreUnavailableError) throw error
    throw new StoreUnavailableError(
      `Cannot ${operation} as the log of the replicated store gave no answer: check its servers, a majority must be up`,
      { cause: error },
    )
  }
}

/** Makes the error for a record that cannot be decoded. */
export function corrupt(): CorruptRecordError {
  return new CorruptRecordError(
    'Cannot decode a record of the replicated store: it was written by something else; set it aside',
  )
}
