/**
 * Requests and states for the tests of the page.
 *
 * @module
 */

import type { LabState, RequestEntry, ServerState, TrafficState } from '../../../fleet/protocol.ts'

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
