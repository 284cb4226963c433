/**
 * Which action makes sense in which state of a process.
 *
 * @module
 */

import type { EngineAction, EngineState, ServerAction, ServerStatus } from '../../../fleet/protocol.ts'

/** Actions on a server in the order in which they are drawn. */
export const serverActions: readonly ServerAction[] = ['kill', 'pause', 'resume', 'drain', 'start']

/** Actions on an engine in the order in which they are drawn. */
export const engineActions: readonly EngineAction[] = ['kill', 'pause', 'resume', 'start']

const POSSIBLE: Readonly<Record<ServerStatus, readonly ServerAction[]>> = {
  starting: ['kill'],
  ready: ['kill', 'pause', 'drain'],
  draining: ['kill', 'pause', 'resume'],
  paused: ['kill', 'resume'],
  stopped: ['start'],
}

/** Whether the action would change a process in this state. */
export function isPossible(status: ServerStatus | EngineState['status'], action: ServerAction): boolean {
  return POSSIBLE[status].includes(action)
}
