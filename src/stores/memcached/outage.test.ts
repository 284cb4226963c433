import { randomBytes } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished } from 'vitest'
import type { EngineGroup } from '../../../lab/engines/group.ts'
import { type MemcachedOptions, startMemcached } from '../../../lab/engines/memcached.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  checkMemcachedStore,
  createMemcachedClient,
  createMemcachedStore,
  type MemcachedClientOptions,
} from '../memcached.ts'
import { type StoredSession, StoreUnavailableError } from '../store.ts'
import { createPlacement } from './placement.ts'
import { recordNow } from '../../../test/support/records.ts'

const mintKey = () => randomBytes(32).toString('base64url')
const addressesOf = ({ engines }: EngineGroup) => engines.map(({ port }) => `127.0.0.1:${port}`)

async function createTrial(options: MemcachedOptions = {}, clientOptions: MemcachedClientOptions = {}) {
  const group = await startMemcached({ nodes: 2, ...options })
  onTestFinished(() => group.close())
  const client = createMemcachedClient(addressesOf(group), clientOptions)
  onTestFinished(() => client.close())
  const [first, second] = group.engines
  if (!first) throw new Error('There is no engine')
  return { group, client, first, second, store: createMemcachedStore(client) }
}

/** Mints a key on the node of that number. */
function mintKeyOn(group: EngineGroup, index: number): string {
  const placement = createPlacement(addressesOf(group))
  for (;;) {
    const key = mintKey()
    if (placement(key) === index) return key
  }
}

async function took(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await call().catch(() => undefined)
  return performance.now() - start
}

/** Milliseconds until a call succeeds. */
async function recovery(call: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  for (;;) {
    try {
      await call()
      return performance.now() - start
    } catch (error) {
      if (performance.now() - start > 10_000) throw error
      await delay(10)
    }
  }
}

describeWith(['memcached'], 'createMemcachedStore() while a server is away', () => {
  it("costs that server's sessions when it is killed, and no other", async () => {
    const { group, store, first } = await createTrial()
    const [lost, kept] = [mintKeyOn(group, 0), mintKeyOn(group, 1)]
    for (const key of [lost, kept]) await store.create(key, recordNow({ principal: 'ada' }))

    await first.kill()
    await expect(store.read(lost)).rejects.toThrow(StoreUnavailableError)
    const creating = store.create(mintKeyOn(group, 0), recordNow())
    await expect(creating).rejects.toThrow(/check that it runs/)
    await expect(store.revokeAll('grace')).rejects.toThrow(/1 of 2 memcached servers did not confirm it/)
    expect((await store.read(kept))?.principal).toBe('ada')
    await first.start()
    const waited = await recovery(() => store.read(lost))

    expect(waited).toBeLessThan(2_000)
    expect(await store.read(lost)).toBeUndefined()
    expect(await store.write(lost, 1, recordNow())).toEqual({ outcome: 'gone' })
    expect((await store.read(kept))?.principal).toBe('ada')
    await store.revokeAll('ada')
    expect(await store.read(kept)).toBeUndefined()
  })

  it('misses the deadline once when it is paused, refuses at once from then on, and is back within 2 s', async () => {
    const { group, store, first } = await createTrial()
    const [hung, other] = [mintKeyOn(group, 0), mintKeyOn(group, 1)]
    for (const key of [hung, other]) await store.create(key, recordNow({ data: key }))

    await first.pause()
    const deadline = await took(() => store.read(hung))
    const after = await took(() => store.read(hung))
    const stats = await store.stats()
    const besides = await store.read(other)
    await delay(1_500)
    await first.resume()
    const waited = await recovery(() => store.read(hung))

    expect(deadline).toBeGreaterThan(250)
    expect(deadline).toBeLessThan(1_000)
    expect(after).toBeLessThan(100)
    expect(besides?.data).toBe(other)
    expect(stats.map(({ reachable }) => reachable)).toEqual([false, true])
    expect(waited).toBeLessThan(2_000)
    expect((await store.read(hung))?.data).toBe(hung)
  })

  it('gives nobody the answer to what another asked before a pause', async () => {
    const { group, store, first } = await createTrial()
    const keys = Array.from({ length: 20 }, () => mintKeyOn(group, 0))
    for (const key of keys) await store.create(key, recordNow({ data: key }))

    for (let round = 0; round < 3; round++) {
      await first.pause()
      const asked = Promise.allSettled(keys.slice(0, 10).map((key) => store.read(key)))
      await delay(round * 150)
      await first.resume()
      await asked
      await recovery(() => store.read(keys[0] ?? ''))

      for (const key of keys) expect((await store.read(key))?.data).toBe(key)
    }
  })

  it('lets memcached drop sessions when its memory is full, and takes none for another or for live again', async () => {
    const { store } = await createTrial({ nodes: 1, memory: 2 })
    const keys = Array.from({ length: 600 }, mintKey)
    const data = 'x'.repeat(10_000)

    for (const key of keys)
      await store.create(key, recordNow({ data: data + key, principal: key.slice(0, 1) }))
    const left: (StoredSession | undefined)[] = []
    for (const key of keys) left.push(await store.read(key))
    const [stats] = await store.stats()

    expect(stats?.evictions).toBeGreaterThan(0)
    expect(left.filter((session) => session === undefined).length).toBeGreaterThan(0)
    for (const [index, key] of keys.entries()) {
      const session = left[index]
      if (session) expect(session.data).toBe(data + key)
      else expect(await store.write(key, 1, recordNow())).toEqual({ outcome: 'gone' })
    }
  })
})

describeWith(['memcached'], 'createMemcachedClient()', () => {
  it('spreads its attempts to connect, ever rarer up to the longest pause', async () => {
    const arrivals: number[] = []
    const server = createServer((socket: Socket) => {
      arrivals.push(performance.now())
      socket.on('error', () => undefined)
      socket.destroy()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { readonly port: number }
    const client = createMemcachedClient([`127.0.0.1:${port}`], { maxReconnectDelay: 400, random: () => 1 })
    onTestFinished(() => client.close())

    await delay(2_000)
    client.close()

    const pauses = arrivals.slice(1).map((at, index) => at - (arrivals[index] ?? 0))
    expect(pauses.length).toBeGreaterThanOrEqual(5)
    expect(pauses.length).toBeLessThanOrEqual(7)
    expect(Math.max(...pauses)).toBeGreaterThan(350)
    expect(pauses[0]).toBeLessThan(120)
  })

  it('keeps the answers apart when one command of several is refused', async () => {
    const { client } = await createTrial({ nodes: 1 })
    const [node] = client.nodes

    const results = await Promise.allSettled([
      node?.meta('ms a 1 T60', Buffer.from('1')),
      node?.meta('ms b 1048576 T60', Buffer.alloc(1_048_576)),
      node?.meta('mg a v'),
    ])

    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(String(results[2]?.status === 'fulfilled' && results[2].value?.value)).toBe('1')
  })

  it('gives up a connection over which it was misunderstood, and connects again', async () => {
    const { client } = await createTrial({ nodes: 1 })
    const [node] = client.nodes
    const misunderstood = node?.meta(`mg ${'k'.repeat(251)} v`)

    await expect(misunderstood).rejects.toThrow(/1\.6\.12 or newer/)

    expect(await recovery(async () => node?.meta('mg a v'))).toBeLessThan(1_000)
  })

  it('refuses more commands than may be under way', async () => {
    const { client } = await createTrial({ nodes: 1 }, { maxPending: 10 })
    const [node] = client.nodes
    await node?.meta('mg a v')

    const results = await Promise.allSettled(Array.from({ length: 12 }, async () => node?.meta('mg a v')))

    expect(results.filter(({ status }) => status === 'rejected')).toHaveLength(2)
  })

  it('gives the credentials of a server that wants some', async () => {
    let received = ''
    const server = createServer((socket) => {
      socket.once('data', (chunk: Buffer) => {
        received = String(chunk)
        socket.end('CLIENT_ERROR authentication failure\r\n')
      })
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void server.close())
    const { port } = server.address() as { readonly port: number }
    const credentials = { username: 'ada', password: 'secret' }
    const client = createMemcachedClient([{ host: '127.0.0.1', port }], { credentials })
    onTestFinished(() => client.close())

    await expect(checkMemcachedStore(client)).rejects.toThrow(/it wants other credentials/)

    expect(received.startsWith('set auth 0 0 10\r\nada secret\r\n')).toBe(true)
  })

  it.each([
    [[], /list of servers/],
    [['a', 'a:11211'], /each of them once/],
    [['a:0'], /host:port/],
    [['a:b:c'], /host:port/],
  ])('refuses the list %j', (servers, message) => {
    expect(() => createMemcachedClient(servers)).toThrow(message)
  })
})

describeWith(['memcached'], 'checkMemcachedStore()', () => {
  it('says what threatens sessions on servers that can keep them', async () => {
    const { client } = await createTrial({ nodes: 1, memory: 8, args: ['-M', '-I', '512k'] })

    const warnings = await checkMemcachedStore(client)

    expect(warnings.join('\n')).toMatch(/only memcached server[^]*-I 1m[^]*-m 64[^]*without -M/)
  })

  it('has nothing to say about two servers with memory to spare', async () => {
    const { client } = await createTrial()

    expect(await checkMemcachedStore(client)).toEqual([])
  })

  it('refuses a server without compare-and-set, and one that is away', async () => {
    const { client } = await createTrial({ nodes: 1, args: ['-C'] })
    const nobody = createMemcachedClient(['127.0.0.1:1'])
    onTestFinished(() => nobody.close())

    await expect(checkMemcachedStore(client)).rejects.toThrow(/compare-and-set is on \(no -C\)/)
    await expect(checkMemcachedStore(nobody)).rejects.toThrow(/check that it runs and can be reached/)
  })
})
