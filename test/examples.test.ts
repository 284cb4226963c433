import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { type Postgres, startPostgres } from '../lab/engines/postgres.ts'
import { type Redis, startRedis } from '../lab/engines/redis.ts'
import { describeWith } from './support/engines.ts'

const root = fileURLToPath(new URL('../', import.meta.url))
const running: ChildProcess[] = []
/** How long a near cache or a list of revocations may be behind, in milliseconds. */
const BOUND = 2_000

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

describeWith(['redis-server'], 'examples/redis.ts', () => {
  let redis: Redis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  it('keeps the login and the cart of a visitor on a second server', async () => {
    const env = { REDIS_URL: redis.url }
    const [one, other] = [await start('redis', env), await start('redis', env)]

    const visitor = cookieOf(await post(`${one}/cart`, { item: 'coat' }))
    const user = cookieOf(await post(`${one}/login`, { username: 'ada' }, visitor))
    const cart = await post(`${other}/cart`, { item: 'hat' }, user)

    expect(user).not.toBe(visitor)
    expect(await cart.json()).toEqual(['coat', 'hat'])
  })
})

describeWith(['redis-server'], 'examples/near-cache.ts', () => {
  let redis: Redis
  beforeAll(async () => {
    redis = await startRedis()
  })
  afterAll(() => redis.close())

  it('answers from copies, and forgets a session that was ended on another server', async () => {
    const env = { REDIS_URL: redis.url }
    const [one, other] = [await start('near-cache', env), await start('near-cache', env)]
    const cookie = cookieOf(await post(`${one}/login`, { username: 'ada' }))
    const ask = async () => (await fetch(`${other}/me`, { headers: { cookie } })).json()
    await expect.poll(ask, { timeout: 10_000 }).toMatchObject({ user: 'ada', hits: 3 })
    const orderBefore = await post(`${other}/order`, {}, cookie)

    await post(`${one}/logout`, {}, cookie)
    const orderAfter = await post(`${other}/order`, {}, cookie)

    expect([orderBefore.status, orderAfter.status]).toEqual([200, 401])
    await expect.poll(ask, { timeout: BOUND }).toMatchObject({ user: null })
  })
})

describeWith(['postgresql'], 'examples/postgres.ts', () => {
  let postgres: Postgres
  beforeAll(async () => {
    postgres = await startPostgres()
  })
  afterAll(() => postgres.close())

  it('lists the sessions of a user from two servers, and ends all but one', async () => {
    const env = { DATABASE_URL: postgres.url }
    const [one, other] = await Promise.all([start('postgres', env), start('postgres', env)])
    const [here, there] = [
      cookieOf(await post(`${one}/login`, { username: 'ada' })),
      cookieOf(await post(`${other}/login`, { username: 'ada' })),
    ]
    const list = async (cookie: string) => (await fetch(`${one}/sessions`, { headers: { cookie } })).json()
    const before = await list(here)

    const ended = await fetch(`${one}/sessions`, { method: 'DELETE', headers: { cookie: here } })

    expect(before).toHaveLength(2)
    expect(await ended.json()).toEqual({ ended: 1 })
    expect([await list(here), await list(there)]).toMatchObject([[{}], []])
  })
})

describe('examples/sealed.ts', () => {
  it('knows a login on a server that shares a secret, and a logout on it within the bound', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'coatcheck-example-'))
    const env = { DATABASE: join(folder, 'revocations.db'), SESSION_SECRET: randomBytes(32).toString('hex') }
    const [one, other] = [await start('sealed', env), await start('sealed', env)]
    const cookie = cookieOf(await post(`${one}/login`, { username: 'ada', language: 'ko' }))
    const ask = async () => (await fetch(`${other}/me`, { headers: { cookie } })).json()
    const before = await ask()

    await post(`${one}/logout`, {}, cookie)

    expect(before).toEqual({ user: 'ada', language: 'ko' })
    await expect.poll(ask, { timeout: BOUND }).toEqual({ user: null, language: null })
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

describe('examples/tokens.ts', () => {
  it('knows a token, gives the next one, and refuses both after the logout', async () => {
    const url = await start('tokens')
    type Pair = { readonly accessToken: string; readonly refreshToken: string }
    const me = (token: string) => fetch(`${url}/me`, { headers: { authorization: `Bearer ${token}` } })
    const first = (await (await post(`${url}/login`, { username: 'ada' })).json()) as Pair

    const refreshed = await post(`${url}/refresh`, { refreshToken: first.refreshToken })
    const next = (await refreshed.json()) as Pair
    const known = await me(next.accessToken)
    await fetch(`${url}/logout`, { method: 'POST', headers: { authorization: `Bearer ${next.accessToken}` } })
    const after = [await me(first.accessToken), await me(next.accessToken), await fetch(`${url}/me`)]
    const late = await post(`${url}/refresh`, { refreshToken: next.refreshToken })

    expect(await known.json()).toEqual({ user: 'ada' })
    expect(after.map(({ status }) => status)).toEqual([401, 401, 401])
    expect(after[0]?.headers.get('www-authenticate')).toBe('Bearer error="invalid_token"')
    expect(late.status).toBe(401)
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
