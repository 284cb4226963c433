/**
 * What a server process is told when it starts, and what it tells its parent.
 *
 * @module
 */

import type { LinkedAddresses } from './links.ts'
import type { CopyCosts, HeldSession } from './protocol.ts'

/** How one server process runs. Handed over as JSON, as its only argument. */
export interface ServerConfig extends LinkedAddresses {
  /** `A`, `B`, `C`, … */
  readonly id: string
  /** Port on 127.0.0.1; 0 for a free one. */
  readonly port: number
  readonly strategy: string
  /** Folder shared by all servers of the fleet. */
  readonly folder: string
  /** Database file of the users, which all servers share on every strategy. */
  readonly users: string
  /** How far this server's clock is ahead, in milliseconds. */
  readonly clockOffset: number
}

/** What a server process sends to its parent. */
export type ServerMessage =
  | ServerReport
  /** It listens on this port. */
  | { readonly type: 'ready'; readonly port: number }
  /** It cannot start, and ends. */
  | { readonly type: 'failed'; readonly reason: string }

/** What a server process reports while it runs. */
export type ServerReport =
  /** Its session manager told an event that an operator should know of. */
  | { readonly type: 'incident'; readonly incident: Incident }
  /** What happened to sessions since the last such message. */
  | { readonly type: 'sessions'; readonly changes: readonly SessionChange[] }
  /** What its copies of sessions cost. Sent about once a second, and never where there are none. */
  | { readonly type: 'costs'; readonly costs: CopyCosts }

/** Events of the session manager that are no everyday matter. */
export type Incident = 'storeDown' | 'storeUp' | 'corrupt'

/** A session that a server has read or written, or one that has ended. */
export type SessionChange =
  | ({ readonly type: 'held' } & HeldSession)
  | { readonly type: 'gone'; readonly handle: string }
