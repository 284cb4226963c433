/**
 * Attempts at something that other writers may win first.
 *
 * @module
 */

import { setTimeout as pause } from 'node:timers/promises'
import { SessionConflictError } from './errors.ts'

/** Time within which a change either wins or is refused, in milliseconds. */
const CONFLICT_TIMEOUT = 2_000
const LONGEST_PAUSE = 40

/**
 * Waits before something is tried again: a growing random time before all but the first repetition.
 *
 * @param attempt Which repetition it is, from 1.
 * @param startedAt When it was tried first, by `performance.now()`.
 * @throws {SessionConflictError} when time is over.
 */
export async function pauseBefore(attempt: number, startedAt: number, random: () => number): Promise<void> {
  if (attempt > 1) await pause(random() * Math.min(LONGEST_PAUSE, 2 ** (attempt - 1)))
  if (performance.now() - startedAt > CONFLICT_TIMEOUT) {
    throw new SessionConflictError('Cannot commit a session as other writers kept changing it: try again')
  }
}
