/**
 * Where a strategy keeps its sessions: what the drawing shows behind the servers.
 *
 * @module
 */

import type { LabState } from '../../../fleet/protocol.ts'

/** `servers`: in each server's own memory. `copies`: on every server. `browser`: nowhere but in the cookie. */
export type SessionHome = 'servers' | 'copies' | 'file' | 'engines' | 'browser'

const HOMES: Readonly<Record<string, SessionHome>> = {
  memory: 'servers',
  sticky: 'servers',
  replicated: 'copies',
  sqlite: 'file',
  sealed: 'browser',
}

/** Tells where the sessions of the running strategy live; `undefined` where nothing can be said. */
export function sessionHome({
  strategy,
  engines,
}: Pick<LabState, 'strategy' | 'engines'>): SessionHome | undefined {
  return HOMES[strategy] ?? (engines.length > 0 ? 'engines' : undefined)
}
