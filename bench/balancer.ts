/**
 * What does a request cost in the balancer, beside http-proxy-3?
 *
 * It supports the decision to write the embedded balancer on undici's dispatch instead of taking a proxy library.
 * One application server, one load generator with 64 connections, and each proxy are processes of their own. Rounds
 * alternate between the proxies; the figure is the proxy's CPU time per answered request.
 *
 * @module
 */

import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { Agent, createServer } from 'node:http'
import { connect } from 'node:net'
import { cpus } from 'node:os'
import { fileURLToPath } from 'node:url'
import { createBalancer } from 'coatcheck/balancer'
import httpProxy from 'http-proxy-3'

const CONCURRENCY = 64
const ROUNDS = 5
const ROUND_TIME = 3_000
const BODY = JSON.stringify({ user: { id: '1', username: 'ada' }, cart: ['tea', 'cup', 'pot'] })

interface Measurement {
  readonly requests: number
  readonly microseconds: number
}

const [role, target] = process.argv.slice(2)
if (role === undefined) await measure()
else await play(role, target ?? '')

/** Runs the rounds and prints the result. */
async function measure(): Promise<void> {
  const application = start('application')
  const url = await listening(application)
  const names = ['balancer', 'balancer-sticky', 'http-proxy-3']
  const proxies = names.map((name) => ({
    name,
    process: start(name, url),
    results: [] as number[],
    rates: [] as number[],
  }))
  const urls = await Promise.all(proxies.map((proxy) => listening(proxy.process)))
  const generator = start('generator')

  for (let round = 0; round <= ROUNDS; round++) {
    for (const [index, proxy] of proxies.entries()) {
      const { requests, microseconds } = await run(generator, proxy.process, urls[index] ?? '')
      // The first round warms up.
      if (round === 0) continue
      proxy.results.push(microseconds / requests)
      proxy.rates.push(requests / (ROUND_TIME / 1_000))
    }
  }
  for (const child of [application, generator, ...proxies.map((proxy) => proxy.process)]) child.kill()

  const peer = median(proxies.at(-1)?.results ?? [])
  console.log('What does a request cost in the balancer, beside http-proxy-3?')
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, GET, keep-alive, ${CONCURRENCY} connections`,
  )
  console.table(
    proxies.map(({ name, results, rates }) => ({
      proxy: name,
      'CPU µs per request': Number(median(results).toFixed(1)),
      'ratio to http-proxy-3': Number((median(results) / peer).toFixed(2)),
      'requests per second': Math.round(median(rates)),
    })),
  )
}

async function run(generator: ChildProcess, proxy: ChildProcess, url: string): Promise<Measurement> {
  const before = await ask(proxy, 'cpu')
  const requests = await ask(generator, url)
  const after = await ask(proxy, 'cpu')
  return { requests, microseconds: after - before }
}

function start(...args: readonly string[]): ChildProcess {
  return fork(fileURLToPath(import.meta.url), args)
}

async function listening(child: ChildProcess): Promise<string> {
  const [url] = await once(child, 'message')
  return String(url)
}

async function ask(child: ChildProcess, message: string): Promise<number> {
  child.send(message)
  const [value] = await once(child, 'message')
  return Number(value)
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

/** Plays one part, in a process of its own. */
async function play(part: string, upstream: string): Promise<void> {
  const report = (value: string | number): unknown => process.send?.(value)
  process.on('disconnect', () => process.exit())
  process.on('message', (message: string) => {
    if (part === 'generator') void generate(message).then(report)
    else {
      const { user, system } = process.cpuUsage()
      report(user + system)
    }
  })
  if (part === 'application') report(await serveApplication())
  if (part === 'balancer') report(await serveBalancer(upstream, {}))
  if (part === 'balancer-sticky') {
    report(
      await serveBalancer(upstream, {
        routing: 'sticky',
        secrets: ['0'.repeat(32)],
        allowInsecureCookie: true,
      }),
    )
  }
  if (part === 'http-proxy-3') report(await serveHttpProxy(upstream))
}

async function serveApplication(): Promise<string> {
  const server = createServer((_request, response) => {
    response.setHeader('content-type', 'application/json')
    response.setHeader('content-length', Buffer.byteLength(BODY))
    response.end(BODY)
  })
  return await listen(server)
}

async function serveBalancer(url: string, options: Parameters<typeof createBalancer>[1]): Promise<string> {
  const balancer = createBalancer([{ id: 'A', url }], options)
  const address = await balancer.listen({ port: 0 })
  return address.url
}

async function serveHttpProxy(url: string): Promise<string> {
  const proxy = httpProxy.createProxyServer({
    target: url,
    xfwd: true,
    agent: new Agent({ keepAlive: true }),
  })
  const server = createServer((request, response) => proxy.web(request, response))
  return await listen(server)
}

async function listen(server: ReturnType<typeof createServer>): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  return typeof address === 'object' ? `http://127.0.0.1:${address?.port}` : ''
}

/** Requests as fast as answers come, on raw sockets, and resolves to the number of answers. */
async function generate(url: string): Promise<number> {
  const { hostname, port, host } = new URL(url)
  const cookie = 'session=8J5dQ3yVbW0sYk1mXc2nZp4rTu6vEa7gHi9jKl-oMq0'
  const request = `GET /me?fresh=1 HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench\r\nAccept: */*\r\nCookie: ${cookie}\r\n\r\n`
  let answers = 0
  let done = false
  const sockets = Array.from({ length: CONCURRENCY }, () => {
    const socket = connect(Number(port), hostname, () => socket.write(request))
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1')
      // The body is the same each time and nothing follows it, so its end is the end of the answer.
      if (!received.includes(BODY)) return
      if (!received.startsWith('HTTP/1.1 200 ')) throw new Error(`Not answered: ${received.slice(0, 200)}`)
      answers++
      received = ''
      if (!done) socket.write(request)
    })
    return socket
  })
  await new Promise((resolve) => setTimeout(resolve, ROUND_TIME))
  done = true
  for (const socket of sockets) socket.destroy()
  return answers
}
