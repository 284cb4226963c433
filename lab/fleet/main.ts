/**
 * The lab on the command line: `npm start` and `npm run lab`.
 *
 * Exit codes: 0 after SIGTERM or Ctrl-C, 1 when something is in the way or an experiment found a promise broken,
 * 2 for a call that asks for something that there is not.
 *
 * @module
 */

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import {
  type Command,
  describeUsage,
  type FleetArguments,
  type KnownNames,
  parseCommandLine,
  UsageError,
} from './command-line.ts'
import { createControl } from './control.ts'
import { createFleet } from './fleet.ts'
import { expectFreePort } from './ports.ts'
import type { Fleet, LabState } from './protocol.ts'
import { findMissingSqlite } from './missing-servers.ts'
import { strategies } from './strategies.ts'

// On every strategy the shop keeps its users in SQLite, and experiments open such files themselves.
const missing = await findMissingSqlite()
if (missing) {
  console.error(`coatcheck lab: ${missing.en}`)
  process.exit(1)
}
const { experiments, findExperiment } = await import('./experiments/registry.ts')

const known: KnownNames = {
  strategies: strategies.map(({ name }) => name),
  experiments: experiments.map(({ info, strategies }) => ({ name: info.name, strategies })),
}
const dashboard = fileURLToPath(new URL('../../web/dist/', import.meta.url))

/** What has to be ended before this process may end, the newest last. */
const running: { close(): Promise<void> }[] = []
let ending: Promise<void> | undefined
let endingSince: number | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, endBySignal)
endWithNpm()

try {
  await run(parseCommandLine(process.argv.slice(2), known))
} catch (error) {
  const usage = error instanceof UsageError
  console.error(`coatcheck lab: ${error instanceof Error ? error.message : String(error)}`)
  if (usage) console.error('Try --help.')
  await shutDown(usage ? 2 : 1)
}

async function run(command: Command): Promise<void> {
  switch (command.name) {
    case 'help':
      console.log(describeUsage(known))
      return
    case 'serve':
      return await serve(command)
    case 'experiment':
      return await experiment(command)
  }
}

async function serve({ fleet: wanted, headless, json }: Command & { name: 'serve' }): Promise<void> {
  const built = existsSync(`${dashboard}index.html`)
  if (!built && !headless) throw new Error('The dashboard has not been built: run "npm run build"')
  await expectFreePort(wanted.port, '--port')
  const fleet = await startFleet(wanted)
  const control = await createControl(fleet, {
    port: wanted.port,
    experiments,
    dashboard: built ? dashboard : undefined,
  })
  running.push(control)

  const { shop, servers, engines, strategy, routing } = fleet.state()
  if (json) {
    const line = { shop, control: control.url, servers: servers.map(pick), engines: engines.map(pickEngine) }
    console.log(JSON.stringify(line))
    return
  }
  console.log(`
  ${servers.length} ${servers.length === 1 ? 'server' : 'servers'} on "${strategy}", routing "${routing}"

  dashboard   ${control.url}${built ? '' : '   (not built; the control API is there)'}
  shop        ${shop}

  Ctrl-C ends everything.
`)
}

async function experiment({ fleet: wanted, experiments: names, options }: Command & { name: 'experiment' }) {
  const fleet = await startFleet(wanted)
  let met = true
  for (const chosen of names.flatMap((name) => findExperiment(name) ?? [])) {
    console.error(`${chosen.info.name}: ${chosen.info.title.en}`)
    const result = await chosen.run(fleet, { ...options, log: (text) => console.error(text) })
    console.log(JSON.stringify(result))
    met &&= result.met
  }
  await shutDown(met ? 0 : 1)
}

/** Starts the fleet of a command; what happens in it is told on standard error. */
async function startFleet({ shopPort, ...wanted }: FleetArguments): Promise<Fleet> {
  await expectFreePort(shopPort, '--shop-port')
  const fleet = await createFleet({
    ...wanted,
    port: shopPort,
    experiments: experiments.map(({ info }) => info),
  })
  running.push(fleet)
  fleet.subscribe((event) => {
    if (event.type === 'notice') console.error(event.text.en)
  })
  return fleet
}

/** Ends in good order. Who asks again a while later is in a hurry: the watchdog does the rest. */
function endBySignal(): void {
  endingSince ??= Date.now()
  // Ctrl-C arrives twice, from the terminal and from npm.
  if (Date.now() - endingSince > 500) process.exit(0)
  else void shutDown(0)
}

/** Ends everything that runs, then this process. */
async function shutDown(code: number): Promise<void> {
  ending ??= closeAll()
  await ending
  process.exit(code)
}

async function closeAll(): Promise<void> {
  for (const part of running.splice(0).reverse()) await part.close()
}

/** npm passes signals on, but cannot when it is killed with SIGKILL; then nobody is left to end the lab. */
function endWithNpm(): void {
  const parent = process.ppid
  if (!process.env['npm_lifecycle_event']) return
  setInterval(() => {
    if (process.ppid !== parent) void shutDown(1)
  }, 500).unref()
}

function pick({ id, pid, url }: LabState['servers'][number]) {
  return { id, pid, url }
}

function pickEngine({ name, pid, port }: LabState['engines'][number]) {
  return { name, pid, port }
}
