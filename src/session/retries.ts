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
 * Yields the number of each attempt, with a growing random pause before all but the first two.
 *
 * @throws {SessionConflictError} when time is over.
 */
export async function* attempts(random: () => number): AsyncGenerator<number, never> {
  const endsAt = performance.now() + CONFLICT_TIMEOUT
  for (let attempt = 0; ; attempt++) {
    if (attempt > 1) await pause(random() * Math.min(LONGEST_PAUSE, 2 ** (attempt - 1)))
    if (performance.now() > endsAt) {
      throw new SessionConflictError('Cannot commit a session as other writers kept changing it: try again')
    }
    yield attempt
  }
}
