/**
 * The fleet: server processes, the balancer before them, and what can be done to them.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BalancerEvents, createBalancer } from 'coatcheck/balancer'
import { createBroadcast } from './broadcast.ts'
import { createFleetEngines } from './fleet-engines.ts'
import { createFleetLinks } from './fleet-links.ts'
import { createFleetServers } from './fleet-servers.ts'
import { createGuard } from '../engines/guard.ts'
import { LabError, unknownName } from './lab-error.ts'
import type {
  ExperimentInfo,
  Fleet,
  LabState,
  LinkAction,
  LinkFault,
  RequestEntry,
  RoutingName,
  ServerStatus,
} from './protocol.ts'
import {
  describeCrash,
  describeEngineCrash,
  describeEngineOrder,
  describeIncident,
  describeLink,
  describeOrder,
  describeSwitch,
} from './notices.ts'
import { createRequestFeed } from './request-feed.ts'
import { prepareTokens } from './server-tokens.ts'
import { shownHandle } from './session-handle.ts'
import { describeStrategy, findStrategy, strategies } from './strategies.ts'
import { type Strategy, serverId } from './strategy.ts'
import { createTraffic } from './traffic/traffic.ts'

/** Options of {@link createFleet}. */
export interface FleetOptions {
  /**
   * Name of the strategy to begin with.
   *
   * @default 'memory'
   */
  readonly strategy?: string
  /**
   * Routing to begin with.
   *
   * @default what the strategy prefers
   */
  readonly routing?: RoutingName | undefined
  /**
   * Number of servers, from 1 to 26.
   *
   * @default 3
   */
  readonly servers?: number
  /**
   * Port of the shop on 127.0.0.1; 0 for a free one.
   *
   * @default 0
   */
  readonly port?: number
  /**
   * How far the clock of a server is ahead, in milliseconds, by its id.
   *
   * @default {}
   */
  readonly clockOffsets?: Readonly<Record<string, number>>
  /**
   * Experiments that the state lists.
   *
   * @default []
   */
  readonly experiments?: readonly ExperimentInfo[]
}

/** Time that a server is given to finish its requests when the fleet ends or is switched. */
const END_TIMEOUT = 4_000

/**
 * Starts a fleet. Resolves when every server is healthy in the balancer.
 *
 * Whatever becomes of this process, its servers end with it and its temporary folder is removed.
 *
 * @throws {LabError} when there is no such strategy, or it cannot run here.
 * @throws Node's error when the port is taken.
 */
export async function createFleet(options: FleetOptions = {}): Promise<Fleet> {
  const { port = 0, servers: size = 3, clockOffsets = {}, experiments = [] } = options
  let strategy = await expectStrategy(options.strategy ?? 'memory')
  let infos = await Promise.all(strategies.map(describeStrategy))
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-lab-'))
  const guard = createGuard()
  guard.addFolder(folder)
  const balancer = createBalancer([], {
    routing: options.routing ?? strategy.routing,
    secrets: [randomBytes(32)],
    allowInsecureCookie: true,
  })
  const broadcast = createBroadcast(state)
  const feed = createRequestFeed(broadcast.emit)
  const engines = createFleetEngines({
    guard,
    onChange: broadcast.changed,
    onCrash: (name, how) => broadcast.notice(...describeEngineCrash(name, how)),
  })
  const ids = Array.from({ length: size }, (_, index) => serverId(index))
  const links = createFleetLinks(ids)
  const servers = createFleetServers(ids, {
    guard,
    balancer,
    config: (id, lastPort) => ({
      id,
      port: lastPort,
      strategy: strategy.name,
      folder: runFolder(),
      users: join(folder, 'users.db'),
      ...links.addressesOf(id),
      clockOffset: clockOffsets[id] ?? 0,
    }),
    sharesSessions: () => strategy.promises.anyServer,
    linkOf: (id) => links.stateOf(id),
    onChange: broadcast.changed,
    onIncident: (id, incident) => broadcast.notice(...describeIncident(id, incident)),
    onCrash: (id, how) => broadcast.notice(...describeCrash(id, how)),
  })
  let shop = ''
  const traffic = createTraffic(() => shop, { getCredentials: () => strategy.credentials })
  /** Grows with each switch: every run gets a folder of its own, so that no session of an earlier one comes back. */
  let run = 0
  let switching = false
  let switched: Promise<void> | undefined
  let closing: Promise<void> | undefined

  function runFolder(): string {
    return join(folder, `run-${run}`)
  }

  async function startServers(): Promise<void> {
    await mkdir(runFolder())
    await prepareTokens(runFolder())
    await engines.start(strategy)
    await strategy.prepare?.({ folder: runFolder(), now: Date.now, ...engines.addresses() })
    await links.open(strategy, engines.addresses())
    await servers.start()
  }

  function state(): LabState {
    const { databaseFile } = strategy
    return {
      strategy: strategy.name,
      routing: balancer.routing,
      switching,
      shop,
      servers: servers.states(),
      engines: engines.states(),
      strategies: infos,
      experiments,
      traffic: traffic.state(),
      ...(databaseFile && { databaseFile: join(runFolder(), databaseFile) }),
      tokensFolder: runFolder(),
    }
  }

  async function switchTo(next: Strategy, routing: RoutingName): Promise<void> {
    switching = true
    broadcast.changed(0)
    try {
      // Their logins end with the servers: what was lost on one strategy must not be counted on the next.
      await traffic.pause()
      await servers.end(END_TIMEOUT)
      await links.close()
      await engines.end()
      await rm(runFolder(), { recursive: true, force: true })
      strategy = next
      run += 1
      balancer.setRouting(routing)
      await startServers()
    } finally {
      traffic.resume()
      switching = false
      broadcast.changed(0)
    }
    broadcast.notice(...describeSwitch(next.title))
  }

  async function end(): Promise<void> {
    await switched?.catch(() => undefined)
    clearInterval(watch)
    feed.close()
    broadcast.close()
    await traffic.close()
    await balancer.close({ grace: 1_000 })
    await servers.end(END_TIMEOUT)
    await links.close()
    await engines.end()
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    await guard.close()
  }

  /** A server that there is not counts as stopped; the order itself refuses it. */
  function statusOf(id: string): ServerStatus {
    return servers.states().find((server) => server.id === id)?.status ?? 'stopped'
  }

  function actOnLink(id: string, action: LinkAction, fault: LinkFault | undefined): void {
    const before = links.stateOf(id)
    const after = links.act(id, action, fault)
    broadcast.changed()
    const notice = describeLink(id, before, after, fault)
    if (notice) broadcast.notice(...notice)
  }

  function expectOpen(): void {
    if (closing) throw new LabError('ERR_CONFLICT', 'The lab is ending')
  }

  function expectIdle(): void {
    expectOpen()
    if (switching) throw new LabError('ERR_CONFLICT', 'The strategy is being switched')
  }

  const watch = setInterval(() => servers.refresh(), 1_000)
  balancer.on('up', () => broadcast.changed())
  balancer.on('down', () => broadcast.changed())
  balancer.on('request', (entry) => feed.add(describeRequest(entry)))
  try {
    ;({ url: shop } = await balancer.listen({ port }))
    await startServers()
  } catch (error) {
    await end()
    throw error
  }

  return {
    get shop() {
      return shop
    },
    get strategy() {
      return strategy.name
    },
    state,
    async act(id, action, fault) {
      expectIdle()
      if (action === 'cut' || action === 'slow' || action === 'heal') {
        actOnLink(id, action, fault)
        return
      }
      const before = statusOf(id)
      await servers.act(id, action)
      const notice = describeOrder(id, before, statusOf(id))
      if (notice) broadcast.notice(...notice)
    },
    async actOnEngine(name, action) {
      expectIdle()
      const [before, after] = await engines.act(name, action)
      const notice = describeEngineOrder(name, before, after)
      if (notice) broadcast.notice(...notice)
    },
    async switchStrategy(name, routing) {
      const next = await expectStrategy(name)
      expectIdle()
      if (next === strategy && routing !== undefined && routing !== balancer.routing) {
        balancer.setRouting(routing)
        broadcast.changed()
      } else {
        switched = switchTo(next, routing ?? next.routing)
        await switched
      }
      infos = await Promise.all(strategies.map(describeStrategy))
    },
    setTraffic(settings) {
      expectOpen()
      traffic.set(settings)
      broadcast.changed()
    },
    subscribe: broadcast.subscribe,
    close() {
      closing ??= end()
      return closing
    },
  }
}

async function expectStrategy(name: string): Promise<Strategy> {
  const strategy = findStrategy(name)
  if (!strategy)
    throw unknownName(
      'strategy',
      name,
      strategies.map((known) => known.name),
    )
  const reason = await strategy.unavailable()
  if (reason) throw new LabError('ERR_UNAVAILABLE', `The strategy "${name}" cannot run here. ${reason.en}`)
  return strategy
}

/** Cookies are credentials: what leaves this function are the starts of their hashes. */
function describeRequest({
  cookie,
  setCookies,
  ...entry
}: BalancerEvents['request']): Omit<RequestEntry, 'seq'> {
  const milliseconds = Math.round(entry.milliseconds * 10) / 10
  return { ...entry, milliseconds, session: shownHandle(cookie), sessionSet: shownHandle(setCookies) }
}
