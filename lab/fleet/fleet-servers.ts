/**
 * All servers of a fleet, and their places in the balancer.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { Balancer } from 'coatcheck/balancer'
import { createFleetServer, type FleetServer } from './fleet-server.ts'
import { createHearsay } from './hearsay.ts'
import type { Guard } from '../engines/guard.ts'
import { LabError, unknownName } from './lab-error.ts'
import type { LinkAction, LinkState, ServerAction, ServerState } from './protocol.ts'
import { createReports, type ReportContext, type ServerAccount } from './reports.ts'
import type { ServerConfig } from './server-messages.ts'
import { createSessionTally } from './session-tally.ts'

/** What the servers need, and whom they tell. */
export interface FleetServersContext extends ReportContext {
  readonly guard: Guard
  readonly balancer: Balancer
  /** How a process is to run; asked at every start. */
  readonly config: (id: string, port: number) => ServerConfig
  /** How the network between a server and the engines is; `undefined`: there is none. */
  readonly linkOf: (id: string) => LinkState | undefined
  /** A process has ended that nobody asked to end. */
  readonly onCrash: (id: string, how: string) => void
}

/** What can be done to a server itself. */
export type ProcessAction = Exclude<ServerAction, LinkAction>

/** All servers of a fleet. */
export interface FleetServers {
  states(): readonly ServerState[]
  /** Starts all servers. Resolves when each is healthy in the balancer. */
  start(): Promise<void>
  /** Ends all servers and takes them out of the balancer; each may finish its requests, with a timeout in milliseconds. */
  end(timeout: number): Promise<void>
  /** Resolves when the action has taken effect. */
  act(id: string, action: ProcessAction): Promise<void>
  /** Notices what others did to the processes. */
  refresh(): void
}

interface Seat extends ServerAccount {
  readonly server: FleetServer
  /** Answers that the balancer had counted when the present process was started. */
  answeredBefore: number
}

const HEALTHY_TIMEOUT = 15_000
const SHOWN_SESSIONS = 50
/** How long the latest costs hold, in milliseconds: a process that tells nothing for so long is paused, or hangs. */
const COSTS_LIFETIME = 3_000

/** Creates the places of the servers, still without processes. */
export function createFleetServers(ids: readonly string[], context: FleetServersContext): FleetServers {
  const { guard, balancer, config, linkOf, onChange, onCrash } = context
  const seats: readonly Seat[] = ids.map((id) => ({
    id,
    server: createFleetServer(id, {
      guard,
      config,
      onReport: (from, report) => receive(from, report),
      onEnd,
    }),
    tally: createSessionTally(),
    costs: createHearsay(COSTS_LIFETIME, () => performance.now()),
    answeredBefore: 0,
  }))
  const receive = createReports(seats, context)

  function onEnd(id: string, how: string, expected: boolean): void {
    const { tally, costs } = find(id)
    tally.clear()
    costs.forget()
    onChange()
    if (!expected) onCrash(id, how)
  }

  function find(id: string): Seat {
    const seat = seats.find(({ server }) => server.id === id)
    if (!seat) throw unknownName('server', id, ids)
    return seat
  }

  function upstreamOf(id: string) {
    return balancer.upstreams().find((upstream) => upstream.id === id)
  }

  async function start(seat: Seat): Promise<void> {
    const { server, tally } = seat
    const { id } = server
    tally.clear()
    const listening = server.start()
    onChange()
    await listening
    const known = upstreamOf(id)
    seat.answeredBefore = known?.answered ?? 0
    if (known) balancer.ready(id)
    await (known ? balancer.setUrl(id, server.url) : balancer.add({ id, url: server.url }))
    await becomeHealthy(server)
  }

  async function becomeHealthy(server: FleetServer): Promise<void> {
    const { id } = server
    const deadline = Date.now() + HEALTHY_TIMEOUT
    while (!upstreamOf(id)?.healthy) {
      if (server.pid === undefined) throw new LabError('ERR_CONFLICT', `Server ${id} has ended`)
      if (server.status === 'paused') throw new LabError('ERR_CONFLICT', `Server ${id} was paused`)
      if (Date.now() > deadline)
        throw new LabError('ERR_UNAVAILABLE', `Server ${id} does not pass its checks`)
      await delay(20)
    }
  }

  /** Lets a running server go on, and take new visitors again if that is all it did not do. */
  async function goOn(server: FleetServer): Promise<void> {
    const paused = server.status === 'paused'
    server.resume()
    if (!paused || !server.draining) admit(server)
    await becomeHealthy(server)
  }

  function admit(server: FleetServer): void {
    server.draining = false
    balancer.ready(server.id)
  }

  return {
    states: () =>
      seats.map(({ server, tally, costs, answeredBefore }) => {
        const { id, pid, url, status } = server
        const upstream = upstreamOf(id)
        return {
          id,
          pid,
          url,
          status,
          link: linkOf(id),
          healthy: pid !== undefined && (upstream?.healthy ?? false),
          active: upstream?.active ?? 0,
          requestsPerSecond: upstream?.requestsPerSecond ?? 0,
          answered: (upstream?.answered ?? 0) - answeredBefore,
          sessions: tally.newest(SHOWN_SESSIONS),
          sessionCount: tally.count,
          costs: costs.latest(),
        }
      }),
    async start() {
      await Promise.all(seats.map(start))
    },
    async end(timeout) {
      // Out of the balancer first, so that no request is lost on the way to a server that is about to end.
      for (const { id } of balancer.upstreams()) balancer.maintenance(id)
      await Promise.all(seats.map(({ server }) => server.end(timeout)))
      for (const { id } of balancer.upstreams()) balancer.remove(id)
    },
    async act(id, action) {
      const seat = find(id)
      const { server } = seat
      if (server.status === 'starting' && action !== 'kill') {
        throw new LabError('ERR_CONFLICT', `Server ${id} is starting`)
      }
      if (server.status === 'stopped' && action !== 'kill' && action !== 'start') {
        throw new LabError('ERR_CONFLICT', `Server ${id} is not running`)
      }

      if (action === 'kill') await server.kill()
      if (action === 'pause') await server.pause()
      if (action === 'resume') await goOn(server)
      if (action === 'start') {
        if (server.status === 'paused') await goOn(server)
        await (server.status === 'stopped' ? start(seat) : goOn(server))
      }
      if (action === 'drain') {
        server.draining = true
        balancer.drain(id)
      }
      onChange()
    },
    refresh() {
      for (const { server } of seats) server.refresh()
    },
  }
}
