/**
 * What the command line of the lab asks for.
 *
 * @module
 */

import { parseArgs } from 'node:util'
import type { ExperimentOptions } from './experiments/experiment.ts'
import type { RoutingName } from './protocol.ts'
import { routingNames, serverId } from './strategy.ts'

/** What the fleet that a command needs looks like. */
export interface FleetArguments {
  readonly strategy: string
  readonly servers: number
  /** `undefined`: what the strategy prefers. */
  readonly routing: RoutingName | undefined
  /** Port of dashboard and control API; 0 for a free one. */
  readonly port: number
  /** Port of the shop; 0 for a free one. */
  readonly shopPort: number
  /** How far the clock of a server is ahead, in milliseconds, by its id. */
  readonly clockOffsets: Readonly<Record<string, number>>
}

/** One call of the command line. */
export type Command =
  | { readonly name: 'help' }
  | {
      readonly name: 'serve'
      readonly fleet: FleetArguments
      readonly headless: boolean
      readonly json: boolean
    }
  | {
      readonly name: 'experiment'
      readonly fleet: FleetArguments
      readonly experiments: readonly string[]
      readonly options: ExperimentOptions
    }

/** The command line asks for something that there is not. Exit code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** Names that the command line may use. */
export interface KnownNames {
  readonly strategies: readonly string[]
  readonly experiments: readonly KnownExperiment[]
}

/** An experiment, and the strategies on which it makes sense. */
export interface KnownExperiment {
  readonly name: string
  readonly strategies: readonly string[]
}

const DEFAULT_PORT = 4000

/** Text of `--help`. */
export function describeUsage({ strategies, experiments }: KnownNames): string {
  return `Usage: npm start -- [options]
       npm run lab -- [options]
       npm run lab -- experiment <name>... [options]

  --strategy <name>   ${strategies.join(', ')} (default: ${strategies[0]})
  --servers <n>       1 to 26 (default: 3)
  --routing <name>    ${routingNames.join(', ')} (default: the strategy's own)
  --port <n>          dashboard and control API, 0 for a free port (default: ${DEFAULT_PORT}; experiments: 0)
  --shop-port <n>     the shop (default: the next port; 0 when --port is 0)
  --clock-offset <server>=<ms>
                      lets the clock of one server run ahead, or behind with a negative number
  --json              prints one JSON line when everything is ready, nothing else
  --headless          works without a built dashboard
  --rounds <n>, --seconds <n>, --short
                      how long an experiment takes
  --help              prints this

Experiments: ${experiments.map(({ name }) => name).join(', ') || 'none'}`
}

/**
 * Parses the arguments after the script name.
 *
 * @throws {UsageError}
 */
export function parseCommandLine(args: readonly string[], known: KnownNames): Command {
  const { values, positionals } = parse(args)
  if (values.help) return { name: 'help' }

  const [command, ...names] = positionals
  if (command !== undefined && command !== 'experiment') {
    throw new UsageError(`Unknown command "${command}". Known: experiment`)
  }
  const servers = toInteger('--servers', values.servers ?? '3', 1, 26)
  const port = toInteger('--port', values.port ?? String(command ? 0 : DEFAULT_PORT), 0, 65_535)
  const nextPort = port === 0 ? 0 : port + 1
  const fleet: FleetArguments = {
    strategy: toName('strategy', values.strategy ?? known.strategies[0] ?? '', known.strategies),
    servers,
    routing: values.routing === undefined ? undefined : toName('routing', values.routing, routingNames),
    port,
    shopPort: toInteger('--shop-port', values['shop-port'] ?? String(nextPort), 0, 65_535),
    clockOffsets: toOffsets(values['clock-offset'] ?? [], servers),
  }
  if (port !== 0 && fleet.shopPort === port) throw new UsageError('--shop-port and --port must differ')

  if (!command)
    return { name: 'serve', fleet, headless: values.headless ?? false, json: values.json ?? false }
  const experiments = toExperiments(names, fleet.strategy, known.experiments)
  const { rounds, seconds, short = false } = values
  const options = {
    short,
    ...(rounds !== undefined && { rounds: toInteger('--rounds', rounds, 1, 1_000_000) }),
    ...(seconds !== undefined && { seconds: toInteger('--seconds', seconds, 1, 3_600) }),
  }
  return { name: 'experiment', fleet, experiments, options }
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        strategy: { type: 'string' },
        servers: { type: 'string' },
        routing: { type: 'string' },
        port: { type: 'string' },
        'shop-port': { type: 'string' },
        'clock-offset': { type: 'string', multiple: true },
        rounds: { type: 'string' },
        seconds: { type: 'string' },
        short: { type: 'boolean' },
        json: { type: 'boolean' },
        headless: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    })
  } catch (error) {
    // Node's messages name the option; the advice that follows the first sentence is about quoting.
    throw new UsageError((error as Error).message.split('. ')[0], { cause: error })
  }
}

function toInteger(option: string, text: string, least: number, most: number): number {
  const number = Number(text)
  if (/^\d+$/.test(text) && number >= least && number <= most) return number
  throw new UsageError(`${option} must be a whole number from ${least} to ${most}: received "${text}"`)
}

function toName<Name extends string>(what: string, text: string, known: readonly Name[]): Name {
  const name = known.find((candidate) => candidate === text)
  if (name !== undefined) return name
  throw new UsageError(`Unknown ${what} "${text}". Known: ${known.join(', ')}`)
}

function toExperiments(
  names: readonly string[],
  strategy: string,
  known: readonly KnownExperiment[],
): readonly string[] {
  const knownNames = known.map(({ name }) => name)
  if (!names.length) throw new UsageError(`Which experiment? Known: ${knownNames.join(', ')}`)
  for (const name of names) {
    const strategies = known.find(
      (experiment) => experiment.name === toName('experiment', name, knownNames),
    )?.strategies
    if (strategies?.includes(strategy)) continue
    throw new UsageError(
      `Experiment ${name} makes no sense on ${strategy}. It runs on: ${strategies?.join(', ')}`,
    )
  }
  return names
}

function toOffsets(texts: readonly string[], servers: number): Record<string, number> {
  const last = serverId(servers - 1)
  return Object.fromEntries(
    texts.map((text) => {
      const match = /^([A-Z])=([+-]?\d{1,12})$/.exec(text)
      if (match?.[1] && match[1] <= last) return [match[1], Number(match[2])]
      throw new UsageError(
        `--clock-offset must be like B=-300000, for a server from A to ${last}: received "${text}"`,
      )
    }),
  )
}
