/**
 * Which action makes sense in which state of a process, and of its network.
 *
 * @module
 */

import type {
  EngineAction,
  EngineState,
  LinkAction,
  LinkState,
  ServerAction,
  ServerStatus,
} from '../../../fleet/protocol.ts'

/** What can be done to a process. */
type ProcessAction = Exclude<ServerAction, LinkAction>

/** Actions on a server in the order in which they are drawn. */
export const serverActions: readonly ProcessAction[] = ['kill', 'pause', 'resume', 'drain', 'start']

/** Actions on a server's network in the order in which they are drawn. */
export const linkActions: readonly LinkAction[] = ['cut', 'slow', 'heal']

/** Actions on an engine in the order in which they are drawn. */
export const engineActions: readonly EngineAction[] = ['kill', 'pause', 'resume', 'start']

const POSSIBLE: Readonly<Record<ServerStatus, readonly ProcessAction[]>> = {
  starting: ['kill'],
  ready: ['kill', 'pause', 'drain'],
  draining: ['kill', 'pause', 'resume'],
  paused: ['kill', 'resume'],
  stopped: ['start'],
}

/** Whether the action would change a process in this state. */
export function isPossible(status: ServerStatus | EngineState['status'], action: ProcessAction): boolean {
  return POSSIBLE[status].includes(action)
}

/** Whether the action would change a network in this state. It may be cut while the server is down. */
export function isLinkPossible(link: LinkState, action: LinkAction): boolean {
  if (action === 'heal') return link !== 'whole'
  return action === 'cut' ? link !== 'cut' : link === 'whole'
}
