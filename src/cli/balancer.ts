/**
 * `coatcheck balancer`: the balancer as a process of its own.
 *
 * @module
 */

import { readFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Balancer, BalancerOptions, UpstreamSpec, createBalancer } from '../balancer/balancer.ts'
import { type RoutingName, routingNames } from '../balancer/routing.ts'
import { CommandLineError } from './command-line-error.ts'

const HELP = `Usage: coatcheck balancer --listen HOST:PORT --upstream ID=URL [--upstream ID=URL …] [options]

  --listen HOST:PORT     where to listen (port 0: a free one); default 127.0.0.1:8080
  --upstream ID=URL      a server, as in A=http://127.0.0.1:3001; once for each
  --capacity N           requests that one server may have in flight; default 1000
  --routing NAME         ${routingNames.join(', ')}; default round-robin
  --secret-file FILE     keys for the affinity cookie, one a line, newest first, at least 32 bytes each; needed for sticky
  --cookie NAME          name of the affinity cookie; default __Host-affinity, or affinity with --allow-insecure
  --allow-insecure       lets the affinity cookie travel over plain http (development)
  --protocol NAME        what X-Forwarded-Proto says: http or https; default http
  --check-path PATH      path for health checks; default /healthz
  --check-interval MS    time between health checks; default 500
  --quiet                says nothing about servers that go down and come up
  --help                 this text

SIGTERM and SIGINT let requests in flight end, for five seconds at most.
`

/** Runs the balancer until a signal ends it. */
export async function runBalancer(args: readonly string[]): Promise<void> {
  const values = parse(args)
  if (values.help) {
    process.stdout.write(HELP)
    return
  }
  const where = parseListen(values.listen)
  const upstreams = parseUpstreams(values.upstream ?? [], values.capacity)
  const balancer = await create(upstreams, await readBalancerOptions(values))
  if (!values.quiet) narrate(balancer)
  const { url } = await listen(balancer, where)
  process.stdout.write(`coatcheck: balancing on ${url} over ${upstreams.map(({ id }) => id).join(', ')}\n`)
  await signal()
  await balancer.close()
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      strict: true,
      allowPositionals: false,
      options: {
        listen: { type: 'string', default: '127.0.0.1:8080' },
        upstream: { type: 'string', multiple: true },
        capacity: { type: 'string' },
        routing: { type: 'string' },
        'secret-file': { type: 'string' },
        cookie: { type: 'string' },
        'allow-insecure': { type: 'boolean' },
        protocol: { type: 'string' },
        'check-path': { type: 'string' },
        'check-interval': { type: 'string' },
        quiet: { type: 'boolean' },
        help: { type: 'boolean', short: 'h' },
      },
    }).values
  } catch (error) {
    throw new CommandLineError(`${(error as Error).message.split('. ')[0]}; see coatcheck balancer --help`)
  }
}

function parseListen(text: string): { readonly host: string; readonly port: number } {
  const match = /^(?<host>\[[0-9A-Fa-f:.]+\]|[^:[\]]+):(?<port>\d{1,5})$/.exec(text)
  const { host = '', port = '' } = match?.groups ?? {}
  if (!match || Number(port) > 65_535)
    throw new CommandLineError(`--listen must be HOST:PORT: received ${text}`)
  return { host: host.replaceAll(/[[\]]/g, ''), port: Number(port) }
}

function parseUpstreams(specs: readonly string[], capacity: string | undefined): readonly UpstreamSpec[] {
  if (specs.length === 0) throw new CommandLineError('--upstream is missing: give at least one, as ID=URL')
  return specs.map((spec) => {
    const split = spec.indexOf('=')
    if (split < 1) throw new CommandLineError(`--upstream must be ID=URL: received ${spec}`)
    const upstream = { id: spec.slice(0, split), url: spec.slice(split + 1) }
    return capacity === undefined ? upstream : { ...upstream, capacity: parseNumber('--capacity', capacity) }
  })
}

async function readBalancerOptions(values: ReturnType<typeof parse>): Promise<BalancerOptions> {
  const file = values['secret-file']
  const interval = values['check-interval']
  return {
    ...(values.routing !== undefined && { routing: values.routing as RoutingName }),
    ...(file !== undefined && { secrets: await readSecrets(file) }),
    ...(values.cookie !== undefined && { affinityCookie: values.cookie }),
    ...(values['allow-insecure'] && { allowInsecureCookie: true }),
    ...(values.protocol !== undefined && { protocol: values.protocol as 'http' }),
    ...(values['check-path'] !== undefined && { checkPath: values['check-path'] }),
    ...(interval !== undefined && { checkInterval: parseNumber('--check-interval', interval) }),
  }
}

async function readSecrets(file: string): Promise<readonly string[]> {
  try {
    const lines = (await readFile(file, 'utf8')).split('\n').map((line) => line.trim())
    return lines.filter((line) => line !== '')
  } catch (error) {
    throw new CommandLineError(
      `--secret-file cannot be read: ${(error as NodeJS.ErrnoException).code} ${file}`,
    )
  }
}

function parseNumber(option: string, text: string): number {
  if (!/^\d{1,10}$/.test(text))
    throw new CommandLineError(`${option} must be a whole number: received ${text}`)
  return Number(text)
}

async function create(upstreams: readonly UpstreamSpec[], options: BalancerOptions): Promise<Balancer> {
  const create = await importCreateBalancer()
  try {
    return create(upstreams, options)
  } catch (error) {
    throw new CommandLineError((error as Error).message)
  }
}

/** Imported late, so that `--help` works and a missing peer dependency is told in words. */
async function importCreateBalancer(): Promise<typeof createBalancer> {
  try {
    const module = await import('../balancer/balancer.ts')
    return module.createBalancer
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new Error('the balancer needs undici: npm install undici@7', { cause: error })
  }
}

function narrate(balancer: Balancer): void {
  balancer.on('up', ({ id }) => console.error(`coatcheck: ${id} is up`))
  balancer.on('down', ({ id, reason }) => console.error(`coatcheck: ${id} is down: ${reason}`))
}

async function listen(balancer: Balancer, where: { readonly host: string; readonly port: number }) {
  try {
    return await balancer.listen(where)
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    const reason = REASONS[code ?? ''] ?? message
    throw new Error(`cannot listen on ${where.host}:${where.port}: ${reason}`, { cause: error })
  }
}

async function signal(): Promise<void> {
  await new Promise<void>((resolve) => {
    process.once('SIGTERM', resolve)
    process.once('SIGINT', resolve)
  })
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'the port is taken',
  EACCES: 'the port needs more rights',
  EADDRNOTAVAIL: 'this machine does not have that address',
}
