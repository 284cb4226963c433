import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'

const root = fileURLToPath(new URL('../', import.meta.url))
const running: ChildProcess[] = []

afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL')
    await once(child, 'exit')
  }
})

/** Starts a compiled example on a free port and resolves to its address once it answers. */
async function start(name: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const port = await findFreePort()
  const child = spawn(process.execPath, [join(root, `examples/dist/${name}.js`)], {
    env: { ...process.env, ...env, PORT: String(port) },
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  running.push(child)
  const url = `http://127.0.0.1:${port}`
  await expect
    .poll(
      () =>
        fetch(url).then(
          () => 'answers',
          () => child.exitCode,
        ),
      { timeout: 20_000 },
    )
    .toBe('answers')
  return url
}

async function findFreePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

function post(url: string, body: object, cookie = ''): Promise<Response> {
  return fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', cookie },
    body: JSON.stringify(body),
  })
}

function cookieOf(answer: Response): string {
  return answer.headers.getSetCookie().join().split(';')[0] ?? ''
}

describe('examples/express.ts', () => {
  it('is the program that the README shows', async () => {
    const [readme, example] = await Promise.all(
      ['README.md', 'examples/express.ts'].map((file) => readFile(join(root, file), 'utf8')),
    )

    expect(readme).toContain(example)
  })

  it('keeps the login and the cart of a visitor on a second server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coatcheck-example-'))
    const env = { DATABASE: join(folder, 'sessions.db') }
    const [one, other] = [await start('express', env), await start('express', env)]

    const visitor = cookieOf(await post(`${one}/cart`, { item: 'coat' }))
    const user = cookieOf(await post(`${one}/login`, { username: 'ada' }, visitor))
    const cart = await post(`${other}/cart`, { item: 'hat' }, user)

    expect(user).not.toBe(visitor)
    expect(await cart.json()).toEqual(['coat', 'hat'])
    await rm(folder, { recursive: true })
  })
})

describe('examples/node.ts', () => {
  it('counts visits until the logout', async () => {
    const url = await start('node')
    const first = await fetch(url)
    const cookie = cookieOf(first)

    const second = await fetch(url, { headers: { cookie } })
    const afterLogout = await fetch(`${url}/logout`, { headers: { cookie } })

    expect(await first.text()).toBe('visit 1\n')
    expect(await second.text()).toBe('visit 2\n')
    expect(await afterLogout.text()).toBe('visit 1\n')
    expect(cookieOf(afterLogout)).not.toBe(cookie)
  })
})

describe('examples/balancer.ts', () => {
  it('sends a visitor back to the same server', async () => {
    const url = await start('balancer')
    const first = await fetch(url)
    const cookie = cookieOf(first)

    const again = await Promise.all(Array.from({ length: 10 }, () => fetch(url, { headers: { cookie } })))

    const served = new Set([first, ...again].map((answer) => answer.headers.get('x-served-by')))
    expect(served.size).toBe(1)
    expect(again[0]?.headers.get('x-routed-by')).toBe('cookie')
  })
})
