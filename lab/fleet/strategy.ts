/**
 * One description of a strategy: everything the lab knows about a way of keeping logins.
 *
 * A new strategy is one such object in `strategies.ts`; fleet, servers, dashboard and experiments read the rest from it.
 *
 * @module
 */

import type { IndexedSessionStore } from 'coatcheck'
import type { LabText, RoutingName } from './protocol.ts'

/** Every way in which the balancer can choose a server. */
export const routingNames: readonly RoutingName[] = [
  'round-robin',
  'least-connections',
  'p2c',
  'ip-hash',
  'random',
  'sticky',
]

/** Names the servers of a fleet: `A` for 0, `B` for 1, … */
export function serverId(index: number): string {
  return String.fromCharCode(65 + index)
}

/** A way of keeping logins that the lab can run. */
export interface Strategy {
  readonly name: string
  readonly title: LabText
  /** What it does and what it costs, in a sentence. */
  readonly summary: LabText
  /** Routing used unless the user chose another. */
  readonly routing: RoutingName
  readonly promises: StrategyPromises
  /** Names of the back-end servers that the parent starts before the servers of the shop. */
  readonly engines: readonly string[]
  /** Name of the SQLite file in its folder that all servers share; absent when there is none. */
  readonly databaseFile?: string

  /** Resolves to why it cannot run here and what to install; `undefined` when it can. */
  unavailable(): Promise<LabText | undefined>

  /** Readies the back end, in the parent, before any server opens it. */
  prepare?(context: StrategyContext): Promise<void>

  /** Opens the store, in the process of one server. */
  open(context: StrategyContext): Promise<OpenStore>
}

/** What a strategy promises, so that an experiment knows what to hold it to. */
export interface StrategyPromises {
  /** Any server knows any session: routing is free. */
  readonly anyServer: boolean
  /** A login outlives the death of the server that acknowledged it. */
  readonly survivesServerDeath: boolean
}

/** What a strategy is given to open its store. */
export interface StrategyContext {
  /** Folder shared by all servers of the fleet, removed when the fleet ends. */
  readonly folder: string
  /** Clock of this process, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Addresses of the back-end servers that the strategy asked for. */
  readonly engines: readonly EngineAddress[]
}

/** Where a back-end server listens. */
export interface EngineAddress {
  readonly name: string
  readonly port: number
}

/** A store and the way to let go of what it stands on. */
export interface OpenStore {
  readonly store: IndexedSessionStore
  close(): Promise<void>
}
