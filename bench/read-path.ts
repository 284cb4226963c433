/**
 * What does reading a session from memory cost a request?
 *
 * Decides whether sessions may be loaded on every page of an application. Servers run in processes of their own, one
 * round after the other in turn; CPU is what the server process used, so the client's own does not count. "Added" is
 * against the same framework without sessions in the same round.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { Pool } from 'undici'
import type { ServerReport } from './read-path-server.ts'

const ROUNDS = Number(process.env['ROUNDS'] ?? 7)
const REQUESTS = 12_000
const WARM_UP = 2_000
const CONCURRENCY = 64

interface Contender {
  readonly name: string
  /** The same framework without sessions. */
  readonly alone: string
}

interface Round {
  /** Microseconds of server CPU per request. */
  readonly cpu: number
  readonly perSecond: number
}

const contenders: readonly Contender[] = [
  { name: 'node:http alone', alone: 'node:http alone' },
  { name: 'node:http + coatcheck', alone: 'node:http alone' },
  { name: 'Express alone', alone: 'Express alone' },
  { name: 'Express + coatcheck', alone: 'Express alone' },
  { name: 'Express + express-session', alone: 'Express alone' },
]

const servers = new Map<string, Server>()
for (const { name } of contenders) servers.set(name, await startServer(name))

const rounds = new Map<string, Round[]>(contenders.map(({ name }) => [name, []]))
for (let round = 0; round < ROUNDS; round++) {
  for (const { name } of contenders) rounds.get(name)?.push(await measure(servers.get(name) as Server))
}
for (const { child } of servers.values()) child.kill()

print()

interface Server {
  readonly child: ChildProcess
  readonly pool: Pool
  /** `Cookie` header of a session that is stored there. */
  readonly cookie: string
}

async function startServer(name: string): Promise<Server> {
  const child = fork(fileURLToPath(new URL('./read-path-server.js', import.meta.url)), [name])
  const [{ port }] = (await once(child, 'message')) as [ServerReport]
  const pool = new Pool(`http://127.0.0.1:${port}`, { connections: CONCURRENCY })
  const login = await pool.request({ method: 'GET', path: '/login' })
  await login.body.dump()
  const header = login.headers['set-cookie']
  const cookie = (Array.isArray(header) ? header[0] : header)?.split(';')[0] ?? 'nothing=stored'
  const check = await pool.request({ method: 'GET', path: '/', headers: { cookie } })
  const body = await check.body.text()
  if (body !== '4') throw new Error(`${name} answers ${body} where a cart of 4 was stored`)
  return { child, pool, cookie }
}

async function measure(server: Server): Promise<Round> {
  await load(server, WARM_UP)
  const cpuBefore = await readCpu(server)
  const startedAt = performance.now()
  await load(server, REQUESTS)
  const seconds = (performance.now() - startedAt) / 1000
  return { cpu: ((await readCpu(server)) - cpuBefore) / REQUESTS, perSecond: REQUESTS / seconds }
}

async function load({ pool, cookie }: Server, requests: number): Promise<void> {
  let left = requests
  await Promise.all(
    Array.from({ length: CONCURRENCY }, async () => {
      while (left-- > 0) {
        const answer = await pool.request({ method: 'GET', path: '/', headers: { cookie } })
        await answer.body.dump()
      }
    }),
  )
}

async function readCpu({ child }: Server): Promise<number> {
  const answered = once(child, 'message')
  child.send('cpu')
  const [{ cpu = 0 }] = (await answered) as [ServerReport]
  return cpu
}

function print(): void {
  const added = (contender: Contender): number[] => {
    const alone = rounds.get(contender.alone) ?? []
    return (rounds.get(contender.name) ?? []).map(({ cpu }, at) => cpu - (alone[at]?.cpu ?? 0))
  }
  const share = (contender: Contender): number[] => {
    const alone = rounds.get(contender.alone) ?? []
    return (rounds.get(contender.name) ?? []).map(
      ({ perSecond }, at) => perSecond / (alone[at]?.perSecond ?? 1),
    )
  }
  console.log('What does reading a session from memory cost a request?')
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${ROUNDS} rounds of ${REQUESTS} requests\n`,
  )
  console.log('| server | CPU µs/request | added µs | req/s ÷ framework alone |\n| --- | --- | --- | --- |')
  for (const contender of contenders) {
    const cpu = median((rounds.get(contender.name) ?? []).map((round) => round.cpu))
    console.log(
      `| ${contender.name} | ${cpu.toFixed(1)} | ${median(added(contender)).toFixed(1)} | ${median(share(contender)).toFixed(2)} |`,
    )
  }
  const [, , , ours, theirs] = contenders as [Contender, Contender, Contender, Contender, Contender]
  const ratios = added(ours).map((value, at) => value / (added(theirs)[at] ?? 1))
  console.log(
    `\nadded on Express, coatcheck ÷ express-session: ${median(ratios).toFixed(3)} (reach ≤ 0.167, aim ≤ 0.1)`,
  )
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
