/**
 * One description of a strategy: everything the lab knows about a way of keeping logins.
 *
 * A new strategy is one such object in `strategies.ts`; fleet, servers, dashboard and experiments read the rest from it.
 *
 * @module
 */

import type { IndexedSessionStore, RevokingSessionStore } from 'coatcheck'
import type { EngineGroup, EngineOptions } from '../engines/group.ts'
import type { ShopSessions } from '../shop/shop-session.ts'
import type { CopyCounts } from './copy-costs.ts'
import type { LabText, RoutingName } from './protocol.ts'
import type { ServerTokens } from './server-tokens.ts'

/** Every way in which the balancer can choose a server. */
export const routingNames: readonly RoutingName[] = [
  'round-robin',
  'least-connections',
  'p2c',
  'ip-hash',
  'random',
  'sticky',
]

/** How old a copy may be that a near cache answers from, in milliseconds. */
export const NEAR_CACHE_BOUND = 2_000

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
  /** Name of the SQLite file in its folder that all servers share; absent when there is none. */
  readonly databaseFile?: string
  /**
   * Changes are told on connections of their own, to `feedAddresses`, so that these can be cut by themselves.
   *
   * @default false
   */
  readonly hasFeed?: boolean
  /** Where its sessions are; absent when they are in the memory of the servers, or with the visitor. */
  readonly backEnd?: BackEnd

  /** Resolves to why it cannot run here and what to install; `undefined` when it can. */
  unavailable(): Promise<LabText | undefined>

  /**
   * Starts the back-end servers that it needs, in the parent, before anything else; absent when it needs none.
   *
   * Beside its engines, a group says what clients have to know: {@link EngineAddresses}.
   */
  startEngines?(options: EngineOptions): Promise<EngineGroup & EngineAddresses>

  /** Readies the back end, in the parent, before any server opens it. */
  prepare?(context: StrategyContext): Promise<void>

  /** Opens the store, in the process of one server. */
  open(context: ServerContext): Promise<OpenStore | OpenSessions>

  /**
   * What a visitor that is no browser shows at `GET /me`.
   *
   * @default 'cookie'
   */
  readonly credentials?: 'cookie' | 'bearer'
}

/** A kind of server, or file, that keeps sessions. */
export type BackEnd = 'sqlite' | 'postgres' | 'redis' | 'memcached' | 'nats'

/** What a strategy promises, so that an experiment knows what to hold it to. */
export interface StrategyPromises {
  /** Any server knows any session: routing is free. */
  readonly anyServer: boolean
  /** A login outlives the death of the server that acknowledged it. */
  readonly survivesServerDeath: boolean
  /**
   * How long after a change was acknowledged an answer may still come from a copy without it, in milliseconds; absent
   * when every answer comes from the back end.
   */
  readonly bound?: number
  /**
   * What becomes of sessions when the back-end server that takes their writes is killed: they are there again when it
   * is started, another one takes over, or they are gone. Absent when there is no such server.
   */
  readonly engineDeath?: 'restart' | 'failover' | 'loss'
  /**
   * Longest time without writes while another engine takes over, in milliseconds.
   *
   * @default 5_000
   */
  readonly takeover?: number
  /**
   * Most acknowledged changes that may be lost when another engine takes over, as no write waits for it.
   *
   * @default 0
   */
  readonly unreplicated?: number
}

/** What a strategy is given to open its store. */
export interface StrategyContext {
  /** Folder shared by all servers of the fleet, removed when the fleet ends. */
  readonly folder: string
  /** Clock of this process, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Back-end servers that were started, in the order of their group. */
  readonly engines: readonly EngineAddress[]
  /** What their group says of them. */
  readonly addresses: EngineAddresses
}

/** What a strategy is given in the process of one server. All addresses are those of links that belong to this server. */
export interface ServerContext extends StrategyContext {
  /** As `addresses`, over other links, for connections on which changes are told; the same without {@link Strategy.hasFeed}. */
  readonly feedAddresses: EngineAddresses
  /** The tokens of the shop, and the list of what was revoked. */
  readonly tokens: ServerTokens
}

/** Where a back-end server listens. */
export interface EngineAddress {
  readonly name: string
  readonly port: number
}

/** What a client needs to reach a group of back-end servers; which of it there is, depends on the group. Goes as JSON. */
export interface EngineAddresses {
  /** Redis, PostgreSQL. */
  readonly url?: string
  /** PostgreSQL with a standby. */
  readonly standbyUrl?: string
  /** NATS. */
  readonly servers?: readonly string[]
  /** Redis with sentinels. */
  readonly sentinels?: readonly HostAndPort[]
  readonly masterName?: string
  /** Redis Cluster. */
  readonly nodes?: readonly HostAndPort[]
  /** Where to connect to instead of the addresses, as `host:port`, that the servers tell of each other. */
  readonly nodeAddressMap?: Readonly<Record<string, HostAndPort>>
}

/** An address as clients want it. */
export interface HostAndPort {
  readonly host: string
  readonly port: number
}

/** Sessions that are in no store, and the way to let go of what they stand on. */
export interface OpenSessions {
  readonly sessions: ShopSessions
  close(): Promise<void>
}

/** A store and the way to let go of what it stands on. */
export interface OpenStore {
  readonly store: IndexedSessionStore | RevokingSessionStore
  /** Counts what the copies in this process cost; absent when it keeps none. */
  readonly countCosts?: () => CopyCounts
  close(): Promise<void>
}
