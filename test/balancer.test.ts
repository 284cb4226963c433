import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { until } from './support/raw-http.ts'
import { createTestbed, visit } from './support/testbed.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const main = join(root, 'dist/cli/main.js')

const { startBalancer, startFleet, close } = createTestbed()
const children = new Set<ChildProcess>()
afterEach(async () => {
  await close()
  for (const child of children) child.kill('SIGKILL')
  children.clear()
})

/** A process and what it has said. */
interface Run {
  readonly child: ChildProcess
  readonly output: () => string
  readonly errors: () => string
  readonly exited: Promise<number | null>
}

function run(...args: readonly string[]): Run {
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] })
  children.add(child)
  let output = ''
  let errors = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  child.stderr.on('data', (chunk) => {
    errors += String(chunk)
  })
  const exited = once(child, 'close').then(([code]) => code as number | null)
  return { child, output: () => output, errors: () => errors, exited }
}

async function startProcess(id: string): Promise<Run & { readonly id: string; readonly url: string }> {
  const started = run(join(root, 'test/support/application.mjs'), id)
  await until(() => started.output().includes('\n'), `${id} listens`)
  return { ...started, id, url: `http://127.0.0.1:${started.output().trim()}` }
}

describe('createBalancer() in front of processes', () => {
  it('loses no GET when a server is killed under load', async () => {
    const [a, b, c] = [await startProcess('A'), await startProcess('B'), await startProcess('C')]
    const { balancer, url } = await startBalancer([a, b, c])
    const failures: number[] = []
    let answered = 0
    const visitors = Array.from({ length: 16 }, async () => {
      for (let visits = 0; visits < 40; visits++) {
        const { status } = await fetch(url)
        answered++
        if (status !== 200) failures.push(status)
      }
    })
    await until(() => answered > 200, 'there is load')

    a.child.kill('SIGKILL')
    await Promise.all(visitors)

    expect(failures).toEqual([])
    expect(balancer.upstreams().map(({ state }) => state)).toEqual(['down', 'ready', 'ready'])
  })

  it('notices a paused server, answers the requests stuck in it elsewhere, and takes it back when it goes on', async () => {
    const [a, b] = [await startProcess('A'), await startProcess('B')]
    const { balancer, url } = await startBalancer([a, b], { checkTimeout: 300 })
    a.child.kill('SIGSTOP')

    const startedAt = performance.now()
    const visits = await Promise.all([visit(url), visit(url), visit(url), visit(url)])
    const waited = performance.now() - startedAt

    expect(visits.map(({ server }) => server)).toEqual(['B', 'B', 'B', 'B'])
    expect(visits.filter(({ routedBy }) => routedBy === 'redispatch').length).toBeGreaterThan(0)
    expect(waited).toBeLessThan(3_000)
    expect(balancer.upstreams()[0]?.state).toBe('down')
    a.child.kill('SIGCONT')
    await until(() => balancer.upstreams()[0]?.state === 'ready', 'A is back')
    expect([await visit(url), await visit(url)].map(({ server }) => server)).toContain('A')
  })

  it('lets the process end by itself once it is closed', async () => {
    const [application] = await startFleet('A')
    const script = `
      import { createBalancer } from ${JSON.stringify(join(root, 'dist/balancer/balancer.js'))}
      import { Agent, get } from 'node:http'
      const balancer = createBalancer([{ id: 'A', url: '${application?.url}' }])
      const { url } = await balancer.listen({ port: 0 })
      get(url, { agent: new Agent({ keepAlive: true }) }, (response) => {
        response.resume().on('end', () => balancer.close().then(() => console.log('closed', response.statusCode)))
      })`

    const { exited, output, errors } = run('--input-type=module', '--eval', script)

    expect(await exited).toBe(0)
    expect(output()).toBe('closed 200\n')
    expect(errors()).toBe('')
  })
})

describe('coatcheck balancer', () => {
  it('balances, says where, and ends with a signal', async () => {
    const [a, b] = await startFleet('A', 'B')
    const folder = await mkdtemp(join(tmpdir(), 'coatcheck-'))
    await writeFile(join(folder, 'secrets'), `${'new'.repeat(20)}\n${'old'.repeat(20)}\n`)
    const { child, output, errors, exited } = run(
      main,
      'balancer',
      '--listen',
      '127.0.0.1:0',
      '--routing',
      'sticky',
      '--allow-insecure',
      '--secret-file',
      join(folder, 'secrets'),
      '--upstream',
      `A=${a?.url}`,
      '--upstream',
      `B=${b?.url}`,
    )
    await until(() => output().includes('\n'), 'it listens')
    const url = /http:\/\/\S+/.exec(output())?.[0] ?? ''

    const first = await visit(url)
    const second = await visit(url, first.cookie)
    child.kill('SIGTERM')

    expect(first.routedBy).toBe('new')
    expect(second).toEqual({ server: first.server, routedBy: 'cookie', cookie: '' })
    expect(await exited).toBe(0)
    expect(errors()).toBe('coatcheck: A is up\ncoatcheck: B is up\n')
    await rm(folder, { recursive: true })
  })

  it('prints its options', async () => {
    const { exited, output } = run(main, 'balancer', '--help')

    expect(await exited).toBe(0)
    expect(output()).toContain('--upstream ID=URL')
  })

  it('says in one line that a port is taken', async () => {
    const taken = createServer().listen(0, '127.0.0.1')
    await once(taken, 'listening')
    const { port } = taken.address() as AddressInfo

    const { exited, errors } = run(
      main,
      'balancer',
      '--quiet',
      '--listen',
      `127.0.0.1:${port}`,
      '--upstream',
      'A=http://127.0.0.1:1',
    )

    expect(await exited).toBe(1)
    expect(errors()).toBe(`coatcheck: cannot listen on 127.0.0.1:${port}: the port is taken\n`)
    taken.close()
  })

  it.each([
    ['no command', [], /a command is missing; see coatcheck --help$/],
    ['an unknown command', ['juggle'], /there is no command juggle; see coatcheck --help$/],
    [
      'an unknown option',
      ['balancer', '--speed'],
      /Unknown option '--speed'; see coatcheck balancer --help$/,
    ],
    ['a stray word', ['balancer', 'fast'], /Unexpected argument 'fast'/],
    ['no server', ['balancer'], /--upstream is missing: give at least one, as ID=URL$/],
    [
      'a server without a name',
      ['balancer', '--upstream', 'http://a'],
      /--upstream must be ID=URL: received http:\/\/a$/,
    ],
    ['a bad address', ['balancer', '--upstream', 'A=x'], /the url of upstream A must be .*: received x$/],
    [
      'a bad port',
      ['balancer', '--listen', 'a:b', '--upstream', 'A=x'],
      /--listen must be HOST:PORT: received a:b$/,
    ],
    [
      'a bad routing',
      ['balancer', '--upstream', 'A=http://a', '--routing', 'x'],
      /routing must be one of .*: received x$/,
    ],
    [
      'no secrets',
      ['balancer', '--upstream', 'A=http://a', '--routing', 'sticky'],
      /sticky routing needs secrets/,
    ],
    [
      'a missing file',
      ['balancer', '--upstream', 'A=http://a', '--secret-file', '/no'],
      /--secret-file cannot be read: ENOENT \/no$/,
    ],
    [
      'a bad number',
      ['balancer', '--upstream', 'A=http://a', '--capacity', 'x'],
      /--capacity must be a whole number: received x$/,
    ],
  ] as const)('refuses %s in one line', async (_what, args, message) => {
    const { exited, errors, output } = run(main, ...args)

    expect(await exited).toBe(2)
    expect(output()).toBe('')
    expect(errors().split('\n')).toHaveLength(2)
    expect(errors()).toMatch(/^coatcheck: /)
    expect(errors().trim()).toMatch(message)
  })
})
