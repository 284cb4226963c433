/**
 * The leader's clock, by which sessions expire: what it stamps an entry with that this process has just written.
 *
 * @module
 */

import { NO_DATA } from './codec.ts'
import type { ReplicatedLog } from './log.ts'

/** The clock of the log's leader. */
export interface LogClock {
  /** Current time in milliseconds since the Unix epoch, by what was last asked. */
  now(): number
  /** Asks the leader. Rejects when there is no answer. */
  ask(): Promise<number>
}

/**
 * Creates a clock.
 *
 * @param name Key that only this process writes.
 * @param wall Local clock, in milliseconds since the Unix epoch.
 */
export function createLogClock(log: ReplicatedLog, name: string, wall: () => number): LogClock {
  let offset = 0

  return {
    now: () => wall() + offset,
    async ask() {
      const sentAt = wall()
      const revision = await log.append(name, { meta: '', data: NO_DATA })
      const acknowledgedAt = wall()
      const entry = await log.get(name)
      // Nobody else needs it; one that stays is left to its age.
      log.forget(revision).catch(() => undefined)
      if (entry?.revision !== revision) return wall() + offset
      // Within the time that the question took, the clocks cannot be told apart.
      const agrees = entry.at >= sentAt - 1 && entry.at <= acknowledgedAt + 1
      offset = agrees ? 0 : entry.at - (sentAt + acknowledgedAt) / 2
      return wall() + offset
    },
  }
}
