import { hash } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { findProcess } from '../lab/engines/process-table.ts'
import type { LabEvent, LabState, RequestEntry } from '../lab/fleet/protocol.ts'
import { type Lab, startLab } from './support/lab.ts'
import { register, visit } from './support/visits.ts'

function serverOf(state: LabState, id: string) {
  const server = state.servers.find((candidate) => candidate.id === id)
  if (!server) throw new Error(`There is no server ${id}`)
  return server
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
