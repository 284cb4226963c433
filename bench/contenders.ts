/**
 * Servers that are compared: each in a process of its own, loaded in turn, round after round.
 *
 * CPU is what the server process used, so the client's own does not count. "Added" is against the same framework without
 * sessions in the same run. Rounds are short, and many: the machine's speed changes from one second to the next.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'

/** What a server process tells its parent. CPU time so far is in microseconds. */
export interface ServerReport {
  readonly port?: number
  readonly cpu?: number
}

/** A server to be measured. */
export interface Contender {
  readonly name: string
  /** The same framework without sessions. */
  readonly alone: string
}

/** One contender in one round. */
export interface Round {
  /** Microseconds of server CPU per request. */
  readonly cpu: number
  readonly perSecond: number
}

/** How the contenders are loaded. */
export interface Load {
  readonly rounds: number
  readonly requests: number
  /** Requests before each round. */
  readonly warmUp: number
  /** Requests before the first round, in which V8 compiles what is used often. */
  readonly settling: number
  readonly concurrency: number
  /** Path that is requested, with a session's cookie. */
  readonly path: string
}

/** A running contender. */
export interface RunningServer {
  readonly child: ChildProcess
  readonly pool: Pool
  /** `Cookie` headers of sessions that are stored there. */
  readonly cookies: readonly string[]
}

/** As behind a proxy that ends TLS: cookies are those of production. */
const PROXIED = { 'x-forwarded-proto': 'https' }

/** What the rounds came to. */
export class Results {
  readonly #rounds = new Map<string, Round[]>()

  add(name: string, round: Round): void {
    this.#rounds.set(name, [...this.of(name), round])
  }

  of(name: string): readonly Round[] {
    return this.#rounds.get(name) ?? []
  }

  /** CPU per request in the quiet rounds, in microseconds. */
  cpu(name: string): number {
    return lowerQuartile(this.of(name).map(({ cpu }) => cpu))
  }

  /** CPU that a contender adds to its framework, in microseconds per request. */
  added({ name, alone }: Contender): number {
    return this.cpu(name) - this.cpu(alone)
  }

  /** Requests per second as a share of what the framework alone serves, in the quiet rounds of both. */
  share({ name, alone }: Contender): number {
    const seconds = (of: string) => lowerQuartile(this.of(of).map(({ perSecond }) => 1 / perSecond))
    return seconds(alone) / seconds(name)
  }

  /** What one contender adds as a share of what another adds. */
  ratio(one: Contender, other: Contender): number {
    return this.added(one) / this.added(other)
  }
}

/**
 * Starts every contender: a process of the given module, whose first argument is its name.
 *
 * @param sessions How many sessions are stored there, by as many requests of `/login`.
 */
export async function startServers(
  module: URL,
  contenders: readonly Contender[],
  sessions: number,
  env: NodeJS.ProcessEnv = {},
): Promise<ReadonlyMap<string, RunningServer>> {
  const servers = new Map<string, RunningServer>()
  for (const { name } of contenders) servers.set(name, await startServer(module, name, sessions, env))
  return servers
}

/** Loads the contenders in turn, once all of them have settled. */
export async function runRounds(
  servers: ReadonlyMap<string, RunningServer>,
  load: Load,
  results = new Results(),
): Promise<Results> {
  for (const server of servers.values()) await sendRequests(server, { ...load, requests: load.settling })
  for (let round = 0; round < load.rounds; round++) {
    for (const [name, server] of servers) results.add(name, await measure(server, load))
  }
  return results
}

/** Ends the processes. */
export async function endServers(servers: ReadonlyMap<string, RunningServer>): Promise<void> {
  for (const { child, pool } of servers.values()) {
    await pool.destroy()
    child.kill()
  }
}

/** Sends requests with the cookies of the stored sessions in turn. */
export async function sendRequests(
  { pool, cookies }: RunningServer,
  { requests, concurrency, path }: Pick<Load, 'requests' | 'concurrency' | 'path'>,
): Promise<void> {
  let left = requests
  await Promise.all(
    Array.from({ length: concurrency }, async (_, lane) => {
      const cookie = cookies[lane % cookies.length] ?? ''
      while (left-- > 0) {
        const answer = await pool.request({ method: 'GET', path, headers: { ...PROXIED, cookie } })
        if (answer.statusCode !== 200) throw new Error(`${path} was answered with ${answer.statusCode}`)
        await answer.body.dump()
      }
    }),
  )
}

/** Prints the machine and the load. */
export function printConditions(question: string, { rounds, requests, concurrency }: Load): void {
  console.log(question)
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${rounds} rounds of ${requests} requests, ${concurrency} connections\n`,
  )
}

/** Prints a table of contenders. */
export function printTable(contenders: readonly Contender[], results: Results): void {
  console.log('| server | CPU µs/request | added µs | req/s ÷ framework alone |\n| --- | --- | --- | --- |')
  for (const contender of contenders) {
    const [cpu, added] = [results.cpu(contender.name), results.added(contender)]
    console.log(
      `| ${contender.name} | ${cpu.toFixed(1)} | ${added.toFixed(1)} | ${results.share(contender).toFixed(2)} |`,
    )
  }
}

/** Other work on the machine only ever adds to a round, so the quieter rounds are nearer to the truth. */
function lowerQuartile(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 4)] ?? Number.NaN
}

async function startServer(
  module: URL,
  name: string,
  sessions: number,
  env: NodeJS.ProcessEnv,
): Promise<RunningServer> {
  const child = fork(fileURLToPath(module), [name], { env: { ...process.env, ...env } })
  const started = await Promise.race([once(child, 'message'), once(child, 'exit')])
  const { port } = (started[0] ?? {}) as ServerReport
  if (port === undefined) throw new Error(`${name} did not start`)
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: 64 })
  const cookies: string[] = []
  for (let at = 0; at < sessions; at++) cookies.push(await logIn(pool, name))
  return { child, pool, cookies }
}

async function logIn(pool: Pool, name: string): Promise<string> {
  const login = await pool.request({ method: 'GET', path: '/login', headers: PROXIED })
  await login.body.dump()
  const header = login.headers['set-cookie']
  const cookie = (Array.isArray(header) ? header[0] : header)?.split(';')[0] ?? 'nothing=stored'
  const check = await pool.request({ method: 'GET', path: '/', headers: { ...PROXIED, cookie } })
  const body = await check.body.text()
  if (body !== '4') throw new Error(`${name} answers ${body} where a cart of 4 was stored`)
  return cookie
}

async function measure(server: RunningServer, load: Load): Promise<Round> {
  await sendRequests(server, { ...load, requests: load.warmUp })
  const cpuBefore = await readCpu(server)
  const startedAt = performance.now()
  await sendRequests(server, load)
  const seconds = (performance.now() - startedAt) / 1000
  return {
    cpu: ((await readCpu(server)) - cpuBefore) / load.requests,
    perSecond: load.requests / seconds,
  }
}

async function readCpu({ child }: RunningServer): Promise<number> {
  const answered = once(child, 'message')
  child.send('cpu')
  const [{ cpu = 0 }] = (await answered) as [ServerReport]
  return cpu
}
