import { hash } from 'node:crypto'
import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findProcess } from '../lab/engines/process-table.ts'
import type { LabEvent, LabState, RequestEntry } from '../lab/fleet/protocol.ts'
import { type Lab, startLab } from './support/lab.ts'

const program = fileURLToPath(new URL('../lab/dist/fleet/main.js', import.meta.url))

/** What the lab left on the machine: processes by id, and its folder. */
interface Traces {
  readonly pids: readonly number[]
  readonly folder: string
}

/** Looks up everything that belongs to a lab while it runs: its servers, its watchdog, its temporary folder. */
async function tracesOf(lab: Lab): Promise<Traces> {
  const { databaseFile = '' } = await lab.state()
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const children = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === lab.pid)
    .map(([pid = 0]) => pid)
  return { pids: [lab.pid, ...children], folder: dirname(dirname(databaseFile)) }
}

async function expectNothingLeft({ pids, folder }: Traces): Promise<void> {
  await expect.poll(() => pids.filter((pid) => findProcess(pid)), { timeout: 5_000 }).toEqual([])
  await expect.poll(() => existsSync(folder), { timeout: 5_000 }).toBe(false)
}

function serverOf(state: LabState, id: string) {
  const server = state.servers.find((candidate) => candidate.id === id)
  if (!server) throw new Error(`There is no server ${id}`)
  return server
}

async function register(shop: string): Promise<string> {
  const response = await fetch(`${shop}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      username: `ada-${Math.random().toString(36).slice(2)}`,
      password: 'analytical engine',
    }),
  })
  expect(response.status).toBe(200)
  return response.headers
    .getSetCookie()
    .map((line) => line.split(';')[0])
    .join('; ')
}

/** Which servers answered so many requests of one visitor, and how. */
async function visit(
  shop: string,
  cookie: string,
  times: number,
): Promise<[server: string, status: number][]> {
  const answers: [string, number][] = []
  for (let request = 0; request < times; request++) {
    const response = await fetch(`${shop}/me`, { headers: { cookie } })
    await response.arrayBuffer()
    answers.push([response.headers.get('x-served-by') ?? '', response.status])
  }
  return answers
}

describe('the lab on sqlite', () => {
  let lab: Lab

  beforeAll(async () => {
    lab = await startLab(['--headless', '--strategy', 'sqlite', '--servers', '3'])
  })

  afterAll(async () => {
    await lab.stop()
  })

  it('says in one line where the shop, the controls and the servers are', async () => {
    const { shop, control, servers, engines } = lab

    expect(servers.map(({ id }) => id)).toEqual(['A', 'B', 'C'])
    expect(engines).toEqual([])
    for (const url of [shop, control, ...servers.map(({ url }) => url)]) {
      expect(url).toMatch(/^http:\/\/127\.0\.0\.1:\d+$/)
    }
    for (const { pid } of servers) expect(findProcess(pid)).toBeDefined()
    expect((await fetch(`${control}/`)).headers.get('content-type')).toContain('text/html')
  })

  it('knows a user on every server', async () => {
    const cookie = await register(lab.shop)

    const answers = await visit(lab.shop, cookie, 6)

    expect(new Set(answers.map(([server]) => server))).toEqual(new Set(['A', 'B', 'C']))
    expect(answers.every(([, status]) => status === 200)).toBe(true)
  })

  it('shows which server knows which session, by a handle that is not the cookie', async () => {
    const cookie = await register(lab.shop)
    const me = await fetch(`${lab.shop}/me`, { headers: { cookie } })
    const { session, user } = (await me.json()) as { session: { handle: string }; user: { id: string } }

    await expect
      .poll(async () => serverOf(await lab.state(), me.headers.get('x-served-by') ?? '').sessions)
      .toContainEqual({ handle: session.handle, principal: user.id })
    const state = JSON.stringify(await lab.state())
    expect(state).not.toContain(/session=([^;]*)/.exec(cookie)?.[1])
  })

  it('goes on without a server that is killed, and takes it back on the same address', async () => {
    const cookie = await register(lab.shop)
    const before = serverOf(await lab.state(), 'B')

    await lab.act('B', 'kill')
    const killed = serverOf(await lab.state(), 'B')
    const without = await visit(lab.shop, cookie, 9)
    await lab.act('B', 'start')
    const started = serverOf(await lab.state(), 'B')
    const again = await visit(lab.shop, cookie, 9)

    expect(killed).toMatchObject({ status: 'stopped', healthy: false })
    expect(killed.pid).toBeUndefined()
    expect(findProcess(before.pid ?? 0)).toBeUndefined()
    expect(without.map(([server]) => server)).not.toContain('B')
    expect(without.every(([, status]) => status === 200)).toBe(true)
    expect(started).toMatchObject({ status: 'ready', healthy: true, url: before.url, answered: 0 })
    expect(started.pid).not.toBe(before.pid)
    expect(again.map(([server]) => server)).toContain('B')
    expect(again.every(([, status]) => status === 200)).toBe(true)
  })

  it('notices a server that somebody else kills', async () => {
    const { pid = 0 } = serverOf(await lab.state(), 'C')

    process.kill(pid, 'SIGKILL')

    await expect.poll(async () => serverOf(await lab.state(), 'C').status).toBe('stopped')
    expect(lab.stderr()).toContain('Server C ended by itself (SIGKILL)')
    await lab.act('C', 'start')
  })

  it('pauses a server, routes around it, and resumes it', async () => {
    const cookie = await register(lab.shop)
    const { pid = 0 } = serverOf(await lab.state(), 'A')

    await lab.act('A', 'pause')
    const stopped = findProcess(pid)?.stopped
    const { status } = serverOf(await lab.state(), 'A')
    await expect.poll(async () => serverOf(await lab.state(), 'A').healthy, { timeout: 10_000 }).toBe(false)
    const answers = await visit(lab.shop, cookie, 6)
    await lab.act('A', 'resume')
    const resumed = serverOf(await lab.state(), 'A')

    expect(stopped).toBe(true)
    expect(status).toBe('paused')
    expect(answers.map(([server]) => server)).not.toContain('A')
    expect(answers.every(([, code]) => code === 200)).toBe(true)
    expect(resumed).toMatchObject({ status: 'ready', healthy: true, pid })
  })

  it('drains a server of new visitors until it is started again', async () => {
    await lab.act('C', 'drain')
    const draining = serverOf(await lab.state(), 'C')
    const without = await visit(lab.shop, '', 6)
    await lab.act('C', 'start')
    const ready = serverOf(await lab.state(), 'C')
    const again = await visit(lab.shop, '', 6)

    expect(draining).toMatchObject({ status: 'draining', healthy: true })
    expect(without.map(([server]) => server)).not.toContain('C')
    expect(ready).toMatchObject({ status: 'ready', pid: draining.pid })
    expect(again.map(([server]) => server)).toContain('C')
  })

  it('streams its state and every request, without a cookie in it', async () => {
    const cookie = await register(lab.shop)
    const id = /session=([^;]*)/.exec(cookie)?.[1] ?? ''
    const handle = hash('sha256', id, 'base64url').slice(0, 8)
    const events = followEvents(lab.control)

    await visit(lab.shop, cookie, 3)

    const find = () =>
      events.seen
        .flatMap((event) => (event.type === 'requests' ? event.requests : []))
        .filter(({ path, session }) => path === '/me' && session === handle)
    await expect.poll(() => find().length).toBe(3)
    events.stop()
    expect(events.seen[0]).toMatchObject({ type: 'state', state: { strategy: 'sqlite' } })
    const [request] = find() as [RequestEntry]
    expect(request).toMatchObject({ method: 'GET', status: 200, routedBy: 'round-robin' })
    expect(JSON.stringify(events.seen)).not.toContain(id)
  })

  it('runs visitors of its own, who stay themselves', async () => {
    await lab.call('POST', '/api/traffic', { visitors: 6, rate: 60 })
    await expect.poll(async () => (await lab.state()).traffic.kept, { timeout: 20_000 }).toBe(6)
    const { traffic } = await lab.state()
    await lab.call('POST', '/api/traffic', { visitors: 0, rate: 0 })

    expect(traffic).toMatchObject({ visitors: 6, loggedIn: 6, lost: 0, crossUser: 0, failed: 0 })
  })

  it.each([
    ['POST', '/api/servers/Z/kill', 404, 'There is no server "Z". Known: A, B, C', ''],
    ['POST', '/api/servers/A/explode', 404, 'Known: kill, pause, resume, start, drain', ''],
    ['POST', '/api/engines/redis-1/kill', 404, 'There is no engine "redis-1". Known: none', ''],
    ['POST', '/api/strategy', 404, 'Known: memory, sticky, replicated, sqlite', '{"name":"floppy"}'],
    ['POST', '/api/strategy', 404, 'Known: round-robin', '{"name":"sqlite","routing":"upwards"}'],
    ['POST', '/api/experiments/F99', 404, 'There is no experiment "F99". Known: F1', ''],
    ['GET', '/api/nothing', 404, 'Known: GET /api/state', ''],
    ['GET', '/no-such-page', 404, 'No such file', ''],
    ['GET', '/..%2f..%2fpackage.json', 404, 'No such file', ''],
    ['POST', '/api/strategy', 400, 'The body is not JSON', '{"name"'],
    ['POST', '/api/strategy', 400, '"name" must be', '{}'],
    ['POST', '/api/traffic', 400, 'visitors must be', '{"visitors":-1,"rate":1}'],
    ['POST', '/api/traffic', 400, 'visitors must be', '{"visitors":"6","rate":1}'],
    ['POST', '/api/traffic', 400, 'rate must be', '{"rate":-1}'],
    ['POST', '/api/traffic', 400, '"visitors", "rate" or both', '{}'],
    ['GET', '/api/servers/A/kill', 405, 'Use POST', ''],
    ['POST', '/api/state', 405, 'Use GET', ''],
    ['POST', '/api/traffic', 413, 'longer than 65536 bytes', ' '.repeat(65_537)],
  ])('answers %s %s with %i: %s', async (method, path, status, message, body) => {
    const response = await fetch(lab.control + path, { method, ...(body && { body }) })
    const answer = (await response.json()) as { error: { code: string; message: string } }

    expect(response.status).toBe(status)
    expect(answer.error.message).toContain(message)
    expect(answer.error.code).toMatch(/^ERR_/)
  })

  it('changes one figure of the traffic and leaves the other', async () => {
    await lab.call('POST', '/api/traffic', { visitors: 3, rate: 0 })

    await lab.call('POST', '/api/traffic', { rate: 20 })
    const { traffic } = await lab.state()
    await lab.call('POST', '/api/traffic', { visitors: 0, rate: 0 })

    expect(traffic).toMatchObject({ visitors: 3, rate: 20 })
  })

  it('tells everybody of an order that changed a server, once', async () => {
    const events = followEvents(lab.control)
    await expect.poll(() => events.seen.length).toBeGreaterThan(0)

    await lab.act('B', 'drain')
    await lab.act('B', 'pause')
    await lab.act('B', 'kill')
    await lab.act('B', 'kill')
    await lab.act('B', 'start')

    const told = () => events.seen.flatMap((event) => (event.type === 'notice' ? [event.text.en] : []))
    await expect.poll(() => told().at(-1)).toBe('Server B was started')
    events.stop()
    expect(told()).toEqual([
      'Server B takes no new visitors',
      'Server B was paused',
      'Server B was killed',
      'Server B was started',
    ])
  })

  it('takes no orders from foreign pages', async () => {
    const response = await fetch(`${lab.control}/api/servers/A/kill`, {
      method: 'POST',
      headers: { origin: 'http://evil.example' },
    })

    expect(response.status).toBe(403)
    expect(serverOf(await lab.state(), 'A').status).toBe('ready')
  })

  it('refuses what makes no sense in the state of a server', async () => {
    await lab.act('A', 'kill')

    const paused = lab.act('A', 'pause')

    await expect(paused).rejects.toThrow(/409.*Server A is not running/)
    await lab.act('A', 'kill')
    await lab.act('A', 'start')
  })
})

describe('switching the strategy', () => {
  it('starts every strategy afresh on the same address, with its own routing', async () => {
    const lab = await startLab(['--headless', '--strategy', 'sqlite'])
    try {
      const cookie = await register(lab.shop)
      await lab.call('POST', '/api/strategy', { name: 'sticky' })
      const sticky = await lab.state()
      const sameServer = await visit(lab.shop, await register(lab.shop), 6)
      await lab.call('POST', '/api/strategy', { name: 'memory', routing: 'random' })
      const memory = await lab.state()
      await lab.call('POST', '/api/strategy', { name: 'sqlite' })
      const sqlite = await lab.state()
      const forgotten = await visit(lab.shop, cookie, 3)
      const anywhere = await visit(lab.shop, await register(lab.shop), 6)

      expect(sticky).toMatchObject({
        strategy: 'sticky',
        routing: 'sticky',
        shop: lab.shop,
        switching: false,
      })
      expect(new Set(sameServer.map(([server]) => server)).size).toBe(1)
      expect(sameServer.every(([, status]) => status === 200)).toBe(true)
      expect(memory).toMatchObject({ strategy: 'memory', routing: 'random' })
      expect(sqlite).toMatchObject({ strategy: 'sqlite', routing: 'round-robin' })
      expect(sqlite.servers.every(({ status, healthy }) => status === 'ready' && healthy)).toBe(true)
      expect(forgotten.every(([, status]) => status === 401)).toBe(true)
      expect(anywhere.every(([, status]) => status === 200)).toBe(true)
    } finally {
      await lab.stop()
    }
  })

  it('sends the visitors home, counts anew, and takes wishes for their return meanwhile', async () => {
    const lab = await startLab(['--headless', '--strategy', 'memory'])
    try {
      await lab.call('POST', '/api/traffic', { visitors: 8, rate: 200 })
      await expect.poll(async () => (await lab.state()).traffic.lost, { timeout: 20_000 }).toBeGreaterThan(3)

      const switched = lab.call('POST', '/api/strategy', { name: 'sqlite' })
      await expect.poll(async () => (await lab.state()).switching).toBe(true)
      await lab.call('POST', '/api/traffic', { visitors: 5 })
      const { switching, traffic: meanwhile } = await lab.state()
      await switched
      await expect.poll(async () => (await lab.state()).traffic.kept, { timeout: 20_000 }).toBe(5)
      const { traffic } = await lab.state()

      expect(switching).toBe(true)
      expect(meanwhile).toMatchObject({ visitors: 5, rate: 200, loggedIn: 0, lost: 0, requests: 0 })
      expect(traffic).toMatchObject({ visitors: 5, rate: 200, loggedIn: 5, lost: 0, failed: 0 })
    } finally {
      await lab.stop()
    }
  })

  it('changes nothing but the routing when the strategy stays', async () => {
    const lab = await startLab(['--headless', '--strategy', 'memory', '--routing', 'sticky'])
    try {
      const before = await lab.state()
      const cookie = await register(lab.shop)
      const together = await visit(lab.shop, cookie, 6)
      await lab.call('POST', '/api/strategy', { name: 'memory', routing: 'round-robin' })
      const after = await lab.state()
      const apart = await visit(lab.shop, cookie, 6)

      expect(together.every(([, status]) => status === 200)).toBe(true)
      expect(after.routing).toBe('round-robin')
      expect(after.servers.map(({ pid }) => pid)).toEqual(before.servers.map(({ pid }) => pid))
      expect(apart.filter(([, status]) => status === 200)).toHaveLength(2)
    } finally {
      await lab.stop()
    }
  })
})

describe('the end of the lab', () => {
  let lab: Lab

  afterEach(async () => {
    await lab.stop()
  })

  it.each([
    ['SIGTERM', 0],
    ['SIGINT', 0],
    ['SIGHUP', 0],
    ['SIGKILL', undefined],
  ] as const)('leaves nothing behind after %s, even with a paused server', async (signal, code) => {
    lab = await startLab(['--headless', '--strategy', 'sqlite'])
    await lab.act('B', 'pause')
    const traces = await tracesOf(lab)

    process.kill(lab.pid, signal)

    expect(traces.pids).toHaveLength(5)
    await expectNothingLeft(traces)
    expect(await lab.stop()).toBe(code)
  })

  it('leaves nothing behind when its watchdog was killed before it', async () => {
    lab = await startLab(['--headless', '--strategy', 'sqlite'])
    await lab.act('B', 'pause')
    const before = await tracesOf(lab)
    const watchdog = before.pids.find(
      (pid) => pid !== lab.pid && !lab.servers.some((server) => server.pid === pid),
    )
    process.kill(watchdog ?? 0, 'SIGKILL')
    await expect.poll(async () => (await tracesOf(lab)).pids.length).toBe(5)
    const traces = await tracesOf(lab)

    process.kill(lab.pid, 'SIGKILL')

    expect(traces.pids).not.toContain(watchdog)
    await expectNothingLeft(traces)
  })

  it('comes when the npm that started it is killed', async () => {
    const shell = spawn(
      'sh',
      ['-c', `"${process.execPath}" "${program}" --port 0 --json --headless & wait`],
      {
        env: { ...process.env, npm_lifecycle_event: 'lab' },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    const line = JSON.parse(await firstLine(shell)) as Pick<Lab, 'servers'>

    shell.kill('SIGKILL')

    await expect
      .poll(() => line.servers.filter(({ pid }) => findProcess(pid)), { timeout: 5_000 })
      .toEqual([])
  })
})

describe('the command line of the lab', () => {
  it.each([
    [['--strategy', 'floppy'], 'Unknown strategy "floppy". Known: memory, sticky, replicated, sqlite'],
    [['--servers', '27'], '--servers must be a whole number from 1 to 26'],
    [['--frobnicate'], "Unknown option '--frobnicate'"],
    [['experiment', 'F99'], 'Unknown experiment "F99"'],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, stdout, stderr } = await runProgram(args)

    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr.trim().split('\n')).toHaveLength(2)
    expect(stdout).toBe('')
  })

  it.each(['--port', '--shop-port'])('ends with 1 when the port of %s is taken', async (option) => {
    const occupant = createServer()
    const port = await new Promise<number>((resolve) => {
      occupant.listen(0, '127.0.0.1', () => resolve((occupant.address() as { port: number }).port))
    })

    const { code, stderr } = await runProgram(['--headless', '--port', '0', option, String(port)])
    occupant.close()

    expect(code).toBe(1)
    expect(stderr.trim()).toBe(
      `coatcheck lab: Port ${port} on 127.0.0.1 is taken, perhaps by another lab: choose another one with ${option}`,
    )
  })

  it('ends with 1, names the package and leaves nothing behind when a binary is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-test-'))
    const preload = join(folder, 'preload.cjs')
    // As on a platform for which the package ships no binary.
    await writeFile(
      preload,
      `const Module = require('node:module'), load = Module._load
      Module._load = (name, ...rest) => {
        if (name.startsWith('@libsql/')) throw new Error('Cannot find module ' + name)
        return load(name, ...rest)
      }`,
    )

    const env = { ...process.env, NODE_OPTIONS: `--require ${preload}`, TMPDIR: folder }
    const { code, stderr } = await runProgram(['--headless', '--strategy', 'sqlite', '--port', '0'], env)
    const left = execFileSync('ls', [folder], { encoding: 'utf8' }).trim()
    await rm(folder, { recursive: true })

    expect(code).toBe(1)
    expect(stderr).toContain(
      'coatcheck lab: The npm package "libsql" is missing or has no build for this platform: run "npm ci".',
    )
    expect(left).toBe('preload.cjs')
  })

  it('runs an experiment and prints its result as one JSON line', async () => {
    const { code, stdout } = await runProgram(['experiment', 'F15', '--strategy', 'sqlite', '--short'])

    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ experiment: 'F15', strategy: 'sqlite', met: true })
    expect(code).toBe(0)
  })

  it('explains itself', async () => {
    const { code, stdout } = await runProgram(['--help'])

    expect(code).toBe(0)
    expect(stdout).toContain('--strategy <name>   memory, sticky, replicated, sqlite')
  })
})

/** Follows the events of a lab from now on. */
function followEvents(control: string): { readonly seen: readonly LabEvent[]; stop(): void } {
  const seen: LabEvent[] = []
  const abort = new AbortController()
  void (async () => {
    const response = await fetch(`${control}/api/events`, { signal: abort.signal })
    let text = ''
    for await (const chunk of response.body?.pipeThrough(new TextDecoderStream()) ?? []) {
      text += chunk
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) seen.push(JSON.parse(/^data: (.*)$/m.exec(block)?.[1] ?? '') as LabEvent)
    }
  })().catch(() => undefined)
  return { seen, stop: () => abort.abort() }
}

function runProgram(args: readonly string[], env = process.env) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [program, ...args],
      { env, timeout: 100_000 },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr })
      },
    )
  })
}

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of stdout ?? []) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text
}
