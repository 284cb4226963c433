/**
 * The control API of the lab, and its dashboard, on loopback.
 *
 * @module
 */

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readJson, refuseForeign } from './control-request.ts'
import { createEventClients } from './event-clients.ts'
import type { Experiment, ExperimentOptions } from './experiments/registry.ts'
import { LabError, labErrorStatus, unknownName } from './lab-error.ts'
import type {
  EngineAction,
  Fleet,
  LinkFault,
  RoutingName,
  ServerAction,
  TrafficSettings,
} from './protocol.ts'
import { serveFile } from './static-files.ts'
import { routingNames } from './strategy.ts'

/** A control API that listens. */
export interface Control {
  /** Address of the dashboard; the API is under `/api/`. */
  readonly url: string
  close(): Promise<void>
}

/** Options of {@link createControl}. */
export interface ControlOptions {
  /**
   * Port on 127.0.0.1; 0 for a free one.
   *
   * @default 0
   */
  readonly port?: number
  /** Folder of the built dashboard; `undefined`: there is no dashboard. */
  readonly dashboard?: string | undefined
  /**
   * Experiments that can be started.
   *
   * @default none
   */
  readonly experiments?: readonly Experiment[]
}

type Body = Readonly<Record<string, unknown>>

const engineActions: readonly EngineAction[] = ['kill', 'pause', 'resume', 'start']
const serverActions: readonly ServerAction[] = [...engineActions, 'drain', 'cut', 'slow', 'heal']

/** Lets a person, or a program, drive a fleet over HTTP. Rejects when the port is taken. */
export async function createControl(fleet: Fleet, options: ControlOptions = {}): Promise<Control> {
  const { port = 0, dashboard, experiments = [] } = options
  const clients = createEventClients()
  const unsubscribe = fleet.subscribe((event) => clients.send(event))
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => fail(response, error))
  })
  let hosts: readonly string[] = []
  let running: string | undefined

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    refuseForeign(request, hosts)
    const path = (request.url ?? '/').replace(/\?.*$/s, '')
    if (path === '/api/events') {
      expectMethod(request, 'GET')
      clients.add(response, { type: 'state', state: fleet.state() })
    } else if (path === '/api/state') {
      expectMethod(request, 'GET')
      reply(response, 200, fleet.state())
    } else if (path.startsWith('/api/')) {
      reply(response, 200, await order(request, path.slice('/api/'.length).split('/').map(decode)))
    } else {
      expectMethod(request, 'GET', 'HEAD')
      if (dashboard !== undefined && (await serveFile(dashboard, path, response))) return
      throw new LabError(
        'ERR_UNKNOWN_NAME',
        dashboard === undefined ? 'There is no dashboard here' : 'No such file',
      )
    }
  }

  /** Does what a POST asks for, and resolves to what it is answered with. */
  async function order(request: IncomingMessage, [what = '', name = '', action = '', ...rest]: string[]) {
    const depth = { strategy: 1, traffic: 1, experiments: 2, servers: 3, engines: 3 }[what]
    if (depth === undefined || rest.length || [what, name, action].filter(Boolean).length !== depth) {
      throw unknownName(
        'resource',
        `/api/${[what, name, action, ...rest].filter(Boolean).join('/')}`,
        RESOURCES,
      )
    }
    expectMethod(request, 'POST')
    const body = await readJson(request)
    if (running !== undefined) {
      throw new LabError('ERR_CONFLICT', `Experiment ${running} is running and must not be disturbed`)
    }

    if (what === 'experiments') return await runExperiment(name, body)
    if (what === 'strategy') await fleet.switchStrategy(readName(body), readRouting(body))
    if (what === 'traffic') setTraffic(body)
    if (what === 'servers') await fleet.act(name, readAction(action, serverActions), readLinkFault(body))
    if (what === 'engines') await fleet.actOnEngine(name, readAction(action, engineActions))
    return fleet.state()
  }

  function setTraffic(body: Body): void {
    try {
      fleet.setTraffic(readTraffic(body))
    } catch (cause) {
      if (cause instanceof RangeError) throw new LabError('ERR_BAD_REQUEST', cause.message, { cause })
      throw cause
    }
  }

  async function runExperiment(name: string, options: Body) {
    const experiment = experiments.find(({ info }) => info.name === name)
    if (!experiment)
      throw unknownName(
        'experiment',
        name,
        experiments.map(({ info }) => info.name),
      )
    running = name
    try {
      return await experiment.run(fleet, readExperimentOptions(options))
    } catch (cause) {
      // It makes no sense on this strategy.
      if (cause instanceof RangeError) throw new LabError('ERR_CONFLICT', cause.message, { cause })
      throw cause
    } finally {
      running = undefined
    }
  }

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject).listen({ host: '127.0.0.1', port }, () => resolve())
  })
  const { port: actual } = server.address() as AddressInfo
  hosts = [`127.0.0.1:${actual}`, `localhost:${actual}`]

  return {
    url: `http://127.0.0.1:${actual}`,
    async close() {
      unsubscribe()
      clients.close()
      await new Promise((resolve) => {
        server.close(resolve)
        server.closeAllConnections()
      })
    },
  }
}

const RESOURCES = [
  'GET /api/state',
  'GET /api/events',
  'POST /api/strategy',
  'POST /api/servers/:id/:action',
  'POST /api/engines/:name/:action',
  'POST /api/traffic',
  'POST /api/experiments/:name',
]

function expectMethod({ method = '' }: IncomingMessage, ...allowed: readonly string[]): void {
  if (!allowed.includes(method)) throw new LabError('ERR_METHOD_NOT_ALLOWED', `Use ${allowed.join(' or ')}`)
}

function decode(segment: string): string {
  try {
    return decodeURIComponent(segment)
  } catch (cause) {
    throw new LabError('ERR_BAD_REQUEST', 'The path is not percent-encoded', { cause })
  }
}

function readAction<Action extends string>(action: string, actions: readonly Action[]): Action {
  const known = actions.find((candidate) => candidate === action)
  if (!known) throw unknownName('action', action, actions)
  return known
}

function readName({ name }: Body): string {
  if (typeof name !== 'string') throw new LabError('ERR_BAD_REQUEST', '"name" must be the name of a strategy')
  return name
}

function readRouting({ routing }: Body): RoutingName | undefined {
  if (routing === undefined || routing === null) return undefined
  const known = routingNames.find((candidate) => candidate === routing)
  if (!known) throw unknownName('routing', typeof routing === 'string' ? routing : '?', routingNames)
  return known
}

function readLinkFault({ channel, direction, sever, milliseconds }: Body): LinkFault {
  if (sever !== undefined && typeof sever !== 'boolean') {
    throw new LabError('ERR_BAD_REQUEST', '"sever" must be true or false')
  }
  return {
    ...readOneOf('channel', channel, ['store', 'feed', 'all']),
    ...readOneOf('direction', direction, ['both', 'to-store', 'from-store']),
    ...(sever !== undefined && { sever }),
    ...readWhole('milliseconds', milliseconds, 60_000),
  }
}

/** A word under its name, or nothing when none was given. */
function readOneOf<const Name extends string, const Word extends string>(
  name: Name,
  value: unknown,
  words: readonly Word[],
): { [key in Name]?: Word } {
  if (value === undefined) return {}
  const known = words.find((word) => word === value)
  if (known) return { [name]: known } as { [key in Name]?: Word }
  throw new LabError('ERR_BAD_REQUEST', `"${name}" must be one of ${words.join(', ')}`)
}

/** Of the figures, those that are given; their bounds are the traffic's affair. */
function readTraffic({ visitors, rate }: Body): Partial<TrafficSettings> {
  if (visitors === undefined && rate === undefined) {
    throw new LabError('ERR_BAD_REQUEST', 'The body must have "visitors", "rate" or both')
  }
  return { ...readNumber('visitors', visitors), ...readNumber('rate', rate) }
}

/** A number under its name, or nothing when none was given. */
function readNumber<Name extends string>(name: Name, value: unknown): { [key in Name]?: number } {
  if (value === undefined) return {}
  if (typeof value === 'number') return { [name]: value } as { [key in Name]?: number }
  throw new LabError('ERR_BAD_REQUEST', `${name} must be a number`)
}

function readExperimentOptions({ rounds, seconds, short }: Body): ExperimentOptions {
  return {
    ...readWhole('rounds', rounds, 1_000_000),
    ...readWhole('seconds', seconds, 3_600),
    short: short === true,
  }
}

/** A whole number under its name, or nothing when none was given. */
function readWhole<Name extends string>(
  name: Name,
  value: unknown,
  most: number,
): { [key in Name]?: number } {
  if (value === undefined) return {}
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= most) {
    return { [name]: value } as { [key in Name]?: number }
  }
  throw new LabError('ERR_BAD_REQUEST', `"${name}" must be a whole number from 1 to ${most}`)
}

function fail(response: ServerResponse, error: unknown): void {
  const code = error instanceof LabError ? error.code : 'ERR_INTERNAL'
  const message = error instanceof Error ? error.message : String(error)
  if (response.headersSent) response.destroy()
  else reply(response, labErrorStatus[code], { error: { code, message } })
}

function reply(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  response.end(JSON.stringify(body))
}
