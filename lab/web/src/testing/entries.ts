/**
 * Requests and states for the tests of the page.
 *
 * @module
 */

import type {
  CopyCosts,
  LogCosts,
  LabState,
  RequestEntry,
  ServerState,
  TrafficState,
} from '../../../fleet/protocol.ts'

/** A request that server A answered. */
export function createEntry(entry: Partial<RequestEntry> = {}): RequestEntry {
  return {
    seq: 1,
    at: 0,
    method: 'GET',
    path: '/me',
    status: 200,
    server: 'A',
    routedBy: 'cookie',
    session: undefined,
    sessionSet: undefined,
    milliseconds: 1,
    ...entry,
  }
}

/** A ready server. */
export function createServer(server: Partial<ServerState> = {}): ServerState {
  return {
    id: 'A',
    pid: 1,
    url: 'http://127.0.0.1:1',
    status: 'ready',
    link: undefined,
    healthy: true,
    active: 0,
    requestsPerSecond: 0,
    answered: 0,
    sessions: [],
    sessionCount: 0,
    costs: undefined,
    ...server,
  }
}

/** What a near cache costs that nobody has used. */
export function createCosts(costs: Partial<CopyCosts> = {}): CopyCosts {
  return {
    sessions: 0,
    bytes: 0,
    leaseAge: 0,
    isLive: true,
    localReads: 0,
    askedReads: 0,
    changes: 0,
    changesPerSecond: 0,
    log: undefined,
    ...costs,
  }
}

/** What it costs to follow a log with some writes. */
export function createLogCosts(costs: Partial<LogCosts> = {}): LogCosts {
  return {
    isFull: true,
    lag: { p50: 1.2, p99: 4.1, max: 12 },
    total: { messagesIn: 900, messagesOut: 400, bytesIn: 90_000, bytesOut: 40_000 },
    perSecond: { messagesIn: 20, messagesOut: 10, bytesIn: 9_000, bytesOut: 4_000 },
    perChange: { messagesIn: 1.5, messagesOut: 0.5, bytesIn: 1_500, bytesOut: 400 },
    ...costs,
  }
}

/** Traffic of nobody. */
export function createTraffic(traffic: Partial<TrafficState> = {}): TrafficState {
  return {
    visitors: 0,
    rate: 0,
    loggedIn: 0,
    kept: 0,
    lost: 0,
    lostByServer: {},
    crossUser: 0,
    requests: 0,
    failed: 0,
    ...traffic,
  }
}

/** A fleet of one server in memory. */
export function createState(state: Partial<LabState> = {}): LabState {
  return {
    strategy: 'memory',
    routing: 'round-robin',
    switching: false,
    shop: 'http://127.0.0.1:1',
    servers: [createServer()],
    engines: [],
    strategies: [],
    experiments: [],
    traffic: createTraffic(),
    ...state,
  }
}
