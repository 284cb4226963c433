/**
 * Waits for servers that tell nobody when they are ready.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'

/**
 * Calls a check again and again until it no longer rejects.
 *
 * @param timeout In milliseconds.
 * @param isHopeless Whether there is no point in asking again.
 * @throws What the check has rejected with last, when the time is over or there is no hope.
 */
export async function waitUntil(
  check: () => Promise<void>,
  timeout: number,
  isHopeless: () => boolean = () => false,
): Promise<void> {
  const deadline = Date.now() + timeout
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (isHopeless() || Date.now() > deadline) throw error
      await delay(20)
    }
  }
}
