/**
 * Where a strategy keeps its sessions: what the drawing shows, and what may be said of the sessions of a server.
 *
 * @module
 */

import type { LabState } from '../../../fleet/protocol.ts'

/**
 * `servers`: in each server's own memory. `copies`: on every server. `file`, `engines`: behind all servers, with
 * `-copied` when each server answers from copies. `sealed`, `token`: nowhere but with the visitor.
 */
export type SessionHome =
  | 'servers'
  | 'copies'
  | 'file'
  | 'file-copied'
  | 'engines'
  | 'engines-copied'
  | 'sealed'
  | 'token'

const HOMES: Readonly<Record<string, SessionHome>> = {
  memory: 'servers',
  sticky: 'servers',
  replicated: 'copies',
  sqlite: 'file',
  'sqlite-cached': 'file-copied',
  'postgres-cached': 'engines-copied',
  'redis-cached': 'engines-copied',
  sealed: 'sealed',
  token: 'token',
}

/** Tells where the sessions of the running strategy live; `undefined` where nothing can be said. */
export function sessionHome({
  strategy,
  engines,
}: Pick<LabState, 'strategy' | 'engines'>): SessionHome | undefined {
  return HOMES[strategy] ?? (engines.length > 0 ? 'engines' : undefined)
}

/** What a server holds of a session: the only one there is, a copy, all of them, or nothing. */
type Holding = 'sessions' | 'copies' | 'all' | undefined

/** What every server holds. */
export function heldByServers(home: SessionHome | undefined): Holding {
  if (home === 'servers') return 'sessions'
  if (home === 'copies') return 'all'
  return home === 'file-copied' || home === 'engines-copied' ? 'copies' : undefined
}

/** Whether a session is with its visitor: no server, and nothing behind the servers, could list it. */
export function isWithVisitor(home: SessionHome | undefined): boolean {
  return home === 'sealed' || home === 'token'
}

/** What stands behind the servers. */
export type BackKind = 'database' | 'store' | 'log' | 'revocations'

/** Tells what stands behind the servers; `undefined`: nothing. */
export function backKind(
  home: SessionHome | undefined,
  engines: readonly { readonly name: string }[],
): BackKind | undefined {
  if (isWithVisitor(home)) return 'revocations'
  if (home === 'copies') return 'log'
  if (home === 'file' || home === 'file-copied') return 'database'
  if (engines.length === 0) return undefined
  return engines.some(({ name }) => name.startsWith('postgres')) ? 'database' : 'store'
}
