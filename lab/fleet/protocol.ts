/**
 * What the fleet tells the dashboard, the command line and the experiments: its state, its events, its controls.
 *
 * `GET /api/state` answers with {@link LabState}; `GET /api/events` streams {@link LabEvent} as server-sent events.
 *
 * @module
 */

/** A text in the two languages of the lab. */
export interface LabText {
  readonly en: string
  readonly ko: string
}

/** How the balancer chooses a server. */
export type RoutingName = 'round-robin' | 'least-connections' | 'p2c' | 'ip-hash' | 'random' | 'sticky'

/** Life of a server process. `stopped`: killed or ended; `paused`: SIGSTOP; `draining`: takes no new visitors. */
export type ServerStatus = 'starting' | 'ready' | 'draining' | 'paused' | 'stopped'

/** Network between a server and its back end. `cut`: nothing gets through, in a part of it at least; `slow`: all arrives later. */
export type LinkState = 'whole' | 'cut' | 'slow'

/** A session that a server has created or served, named by its handle: useless as a cookie. */
export interface HeldSession {
  readonly handle: string
  /** User id; `undefined` for a visitor. */
  readonly principal: string | undefined
}

/** One server process behind the balancer. */
export interface ServerState {
  /** `A`, `B`, `C`, … */
  readonly id: string
  /** Process id; `undefined` while stopped. */
  readonly pid: number | undefined
  readonly url: string
  readonly status: ServerStatus
  /** Network to the back-end servers; `undefined` when the strategy has none. It outlives the process. */
  readonly link: LinkState | undefined
  /** Whether the balancer's checks succeed. */
  readonly healthy: boolean
  /** Requests in flight through the balancer. */
  readonly active: number
  /** Requests answered in the last second. */
  readonly requestsPerSecond: number
  /** Requests answered since the server was started. */
  readonly answered: number
  /** Sessions that live in this server's own memory; with a shared store, those it served last. Newest first, at most 50. */
  readonly sessions: readonly HeldSession[]
  /** How many there are in all. */
  readonly sessionCount: number
  /**
   * What its copies of sessions cost, told about once a second; `undefined` when the strategy keeps none, and while the
   * process does not tell: it is starting, paused or stopped.
   */
  readonly costs: CopyCosts | undefined
}

/** What the copies of sessions in one server process cost, and how fresh they are. Counts begin with the process. */
export interface CopyCosts {
  /** Sessions of which it has a copy, expired ones included. */
  readonly sessions: number
  /** Bytes of memory that the copies take up. */
  readonly bytes: number
  /** Age of the newest proof that changes arrive, in milliseconds; `undefined` when there is none. */
  readonly leaseAge: number | undefined
  /** Whether that is young enough: if not, no read is answered from a copy. */
  readonly isLive: boolean
  /** Reads answered from a copy. */
  readonly localReads: number
  /** Reads for which the back end was asked: the log's leader, there with the questions before writes, or the store. */
  readonly askedReads: number
  /** Changes of sessions, made on any server, that it was told of. */
  readonly changes: number
  /** The same for each second of the last ten. */
  readonly changesPerSecond: number
  /** What it takes to hear of every change; `undefined` with a near cache, whose clients do not count that. */
  readonly log: LogCosts | undefined
}

/** What it costs one server to follow a replication log. */
export interface LogCosts {
  /** Whether the copies have the data of the sessions, too. If not, every read asks the leader. */
  readonly isFull: boolean
  /** From the acknowledgement of an own write until the copy has it, in milliseconds; `max` is of the whole time. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly max: number }
  /** All that went over its connection since that was made, proofs of freshness included. */
  readonly total: LogTraffic
  /** The same for each second of the last ten. */
  readonly perSecond: LogTraffic
  /** The same for each change of a session on any server in the last ten seconds; `undefined` when there was none. */
  readonly perChange: LogTraffic | undefined
}

/** Messages and bytes between one server and the log. */
export interface LogTraffic {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/** Life of a back-end server. `stopped`: killed or ended; `paused`: SIGSTOP. */
export type EngineStatus = 'ready' | 'paused' | 'stopped'

/** A real back-end server that the strategy needs: Redis, NATS, PostgreSQL, … */
export interface EngineState {
  readonly name: string
  /** Process id; `undefined` while stopped. */
  readonly pid: number | undefined
  /** Port on 127.0.0.1; it stays the same. */
  readonly port: number
  readonly status: EngineStatus
}

/** A way of keeping logins that the lab can run. */
export interface StrategyInfo {
  readonly name: string
  readonly title: LabText
  /** What it does and what it costs, in a sentence. */
  readonly summary: LabText
  /** Routing used unless the user chose another. */
  readonly routing: RoutingName
  /** Why it cannot run here, and the package to install; `undefined` when it can. */
  readonly unavailable: LabText | undefined
}

/** How much traffic is wanted. */
export interface TrafficSettings {
  /** From 0 to 500. */
  readonly visitors: number
  /** Requests per second, over all visitors, from 0 to 2,000. */
  readonly rate: number
}

/**
 * Virtual visitors: each has its own cookie jar, logs in, shops, and checks that it is still itself.
 *
 * A strategy switch sends them home: the figures speak of the visitors that came to the present strategy.
 */
export interface TrafficState extends TrafficSettings {
  /** Visitors whose login was acknowledged. */
  readonly loggedIn: number
  /** Of those: visitors whose latest answer knew them. */
  readonly kept: number
  /** Times a logged-in visitor was answered as a stranger. */
  readonly lost: number
  /** Visitors that at the latest answer were strangers, by the server that had acknowledged their login. */
  readonly lostByServer: Readonly<Record<string, number>>
  /** Answers whose user was not the visitor's own. Always 0. */
  readonly crossUser: number
  readonly requests: number
  /** Answers with status 5xx, and connections that failed. */
  readonly failed: number
}

/** Everything the dashboard draws. */
export interface LabState {
  readonly strategy: string
  readonly routing: RoutingName
  /** A strategy switch is under way. */
  readonly switching: boolean
  /** Public address of the shop, through the balancer. */
  readonly shop: string
  readonly servers: readonly ServerState[]
  readonly engines: readonly EngineState[]
  readonly strategies: readonly StrategyInfo[]
  readonly experiments: readonly ExperimentInfo[]
  readonly traffic: TrafficState
  /** Path of the SQLite file that all servers share; absent on other strategies. Fault experiments lock and damage it. */
  readonly databaseFile?: string
  /** Path of the folder in which all servers find their tokens. Experiments rotate keys there; nothing of it is told. */
  readonly tokensFolder?: string
}

/** One answered request, as the balancer saw it. */
export interface RequestEntry {
  /** Grows by one with each request. */
  readonly seq: number
  /** Milliseconds since the Unix epoch. */
  readonly at: number
  readonly method: string
  readonly path: string
  readonly status: number
  /** Server that answered; `undefined` when the balancer answered itself. */
  readonly server: string | undefined
  /** Why that server: `X-Routed-By`. */
  readonly routedBy: string
  /** First characters of the handle of the session cookie sent along; `undefined` without one. Never the cookie. */
  readonly session: string | undefined
  /** First characters of the handle of the session cookie that the answer set; `undefined` without one. */
  readonly sessionSet: string | undefined
  readonly milliseconds: number
}

/** An experiment of the fault matrix. */
export interface ExperimentInfo {
  /** `F1`, `F2`, … */
  readonly name: string
  readonly title: LabText
}

/** What an experiment promised and what was measured. Printed as one JSON line by its command. */
export interface ExperimentResult {
  readonly experiment: string
  readonly strategy: string
  readonly promise: LabText
  /** Figures by the names of the fault matrix: `acked_lost`, `resurrected`, `cross_user`, `forced_logout`, … */
  readonly measured: Readonly<Record<string, number | string>>
  /** Whether the promise was met. */
  readonly met: boolean
  readonly milliseconds: number
}

/** What `GET /api/events` streams. The SSE event name is `type`, its data the JSON of the whole event. */
export type LabEvent =
  /** The whole state: at connection, after every change, and each second. */
  | { readonly type: 'state'; readonly state: LabState }
  /** Requests since the last such event, at most 10 events a second and 100 requests each. */
  | { readonly type: 'requests'; readonly requests: readonly RequestEntry[]; readonly dropped: number }
  /** Something a person should read: a server died, a strategy was switched, an experiment ended. */
  | {
      readonly type: 'notice'
      readonly level: 'info' | 'warning'
      readonly text: LabText
      readonly at: number
    }

/** What a person or an experiment can do to one back-end server. */
export type EngineAction = 'kill' | 'pause' | 'resume' | 'start'

/** What a person or an experiment can do to the network between one server and the back-end servers. */
export type LinkAction = 'cut' | 'slow' | 'heal'

/** What a person or an experiment can do to one server. */
export type ServerAction = EngineAction | 'drain' | LinkAction

/** How a network is broken. */
export interface LinkFault {
  /**
   * `feed`: the connection on which changes are told, where a strategy has one of its own; `store`: every other.
   *
   * @default 'all'
   */
  readonly channel?: 'store' | 'feed' | 'all'
  /**
   * Which way nothing gets through, for `cut`. Connections stay open, and nobody is told.
   *
   * @default 'both'
   */
  readonly direction?: 'both' | 'to-store' | 'from-store'
  /**
   * Breaks the connections as well, with RST, for `cut`.
   *
   * @default false
   */
  readonly sever?: boolean
  /**
   * How much later each answer arrives, in milliseconds, for `slow`.
   *
   * @default 500
   */
  readonly milliseconds?: number
}

/** A running fleet. The control API and the experiments drive it through this. */
export interface Fleet {
  /** Public address of the shop, through the balancer. */
  readonly shop: string
  readonly strategy: string
  state(): LabState
  /** Resolves when the action has taken effect: killed means gone, started means healthy in the balancer. */
  act(serverId: string, action: ServerAction, fault?: LinkFault): Promise<void>
  /** Resolves when the action has taken effect: killed means gone, started means that it answers. */
  actOnEngine(name: string, action: EngineAction): Promise<void>
  /** Ends all servers, starts them on another strategy. Resolves when all are healthy. */
  switchStrategy(name: string, routing?: RoutingName): Promise<void>
  /** Changes what is given and leaves the rest. A strategy switch does not stand in the way. */
  setTraffic(traffic: Partial<TrafficSettings>): void
  /** Calls the listener with every event; returns the function that ends it. */
  subscribe(listener: (event: LabEvent) => void): () => void
  close(): Promise<void>
}
