import { setTimeout as delay } from 'node:timers/promises'
import { createClient } from 'redis'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { createCutter } from '../../../lab/engines/cutter.ts'
import { type RedisCluster, startRedisCluster } from '../../../lab/engines/redis-cluster.ts'
import { type RedisSentinel, startRedisSentinel } from '../../../lab/engines/redis-sentinel.ts'
import { type Redis, startRedis } from '../../../lab/engines/redis.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  mintPrefix,
  openIoredis,
  openNodeRedis,
  openNodeRedisCluster,
  openNodeRedisSentinel,
} from '../../../test/support/redis-connections.ts'
import {
  createRedisInvalidations,
  createRedisStore,
  type RedisClient,
  type RedisFeedClient,
} from '../redis.ts'
import { userNow } from '../../../test/support/records.ts'

/** A feed that is listened to, what it has told, and a store on the same keys. */
function listen(
  client: RedisFeedClient & RedisClient,
  options: Parameters<typeof createRedisInvalidations>[1] = {},
) {
  const prefix = mintPrefix()
  const told: string[] = []
  const subscription = createRedisInvalidations(client, { prefix, ...options }).subscribe({
    changed: (key) => told.push(`changed ${key}`),
    changedAll: () => told.push('changedAll'),
    echoed: (nonce) => told.push(`echoed ${nonce}`),
    broken: () => told.push('broken'),
  })
  onTestFinished(() => subscription.close())
  let count = 0

  /** Sends nonces until one comes back, as a lease does. */
  async function prove(within = 15_000): Promise<void> {
    const deadline = Date.now() + within
    const earlier = told.length
    while (Date.now() < deadline) {
      await subscription.echo(`nonce.${(count += 1)}`).catch(() => undefined)
      await delay(25)
      if (told.slice(earlier).some((event) => event.startsWith('echoed'))) return
    }
    throw new Error(`No nonce came back: ${told.join()}`)
  }

  const changes = () => told.filter((event) => !event.startsWith('echoed'))
  return { subscription, told, changes, prove, prefix, store: createRedisStore(client, { prefix }) }
}

async function waitFor(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 10_000
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('It did not happen within 10 s')
    await delay(5)
  }
}

describeWith(['redis-server'], 'createRedisInvalidations() on one server', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  it('tells of a session that was created, written or deleted, before a nonce that was sent afterwards', async () => {
    const { client, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const { told, prove, store, subscription } = listen(client)
    await prove()
    told.length = 0

    const created = await store.create('key', userNow())
    await subscription.echo('first')
    await store.write('key', created.outcome === 'written' ? created.version : 0, userNow())
    await subscription.echo('second')
    await store.delete('key')
    await subscription.echo('third')
    await waitFor(() => told.includes('echoed third'))

    expect(told).toEqual([
      'changed key',
      'echoed first',
      'changed key',
      'echoed second',
      'changed key',
      'echoed third',
    ])
  })

  it('does not tell of a touch, of a read, or of sessions below another prefix', async () => {
    const { client, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const { told, changes, prove, store } = listen(client)
    const record = userNow()
    await store.create('key', record)
    await prove()
    told.length = 0

    await store.touch('key', record.lastSeenAt + 1_000, record.expiresAt + 1_000)
    await store.read('key')
    await store.list('ada')
    await createRedisStore(client, { prefix: mintPrefix() }).create('key', record)
    await prove()

    expect(changes()).toEqual([])
  })

  it('leaves nothing behind in the database', async () => {
    const { client, send, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const { prove, prefix } = listen(client)

    await prove()

    expect(await send('', 'KEYS', `${prefix}*`)).toEqual([])
  })

  it('tells that anything may have changed when the server is wiped', async () => {
    const { client, send, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const { told, prove } = listen(client)
    await prove()

    await send('', 'FLUSHALL')

    await waitFor(() => told.includes('changedAll'))
    expect(told).toContain('changedAll')
  })

  it('tells at once that its connection was cut, and proves itself again', async () => {
    const port = Number(new URL(server.url).port)
    const cutter = await createCutter({ host: '127.0.0.1', port })
    onTestFinished(() => cutter.close())
    const { client, close } = await openNodeRedis(`redis://127.0.0.1:${cutter.port}`)
    onTestFinished(() => void close())
    const { told, changes, prove } = listen(client)
    await prove()

    cutter.sever()
    await waitFor(() => told.includes('broken'))
    await prove()

    expect(changes()).toEqual(['broken'])
  })

  it('proves nothing while the network is silent, and again when it is not', async () => {
    const port = Number(new URL(server.url).port)
    const cutter = await createCutter({ host: '127.0.0.1', port })
    onTestFinished(() => cutter.close())
    const data = await openNodeRedis(server.url)
    const { client, close } = await openNodeRedis(`redis://127.0.0.1:${cutter.port}`)
    onTestFinished(() => void [data.close(), close()])
    // The data goes another way than what is pushed: only the pushes fall silent.
    const feed = {
      isOpen: true,
      sendCommand: (args: readonly string[]) => data.client.sendCommand(args),
      multi: () => data.client.multi(),
      duplicate: (overrides: object) => client.duplicate(overrides),
      options: client.options,
    }
    const { told, prove, subscription } = listen(feed)
    await prove()
    told.length = 0

    cutter.cut('from-server')
    for (let index = 0; index < 10; index++) {
      subscription.echo(`lost.${index}`).catch(() => undefined)
      await delay(400)
    }
    const silent = [...told]
    cutter.heal()
    await prove()

    expect(silent.filter((event) => event.startsWith('echoed'))).toEqual([])
    expect(silent).toContain('broken')
  })

  it('proves itself again after the server was killed and started anew', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const { told, prove, store } = listen(client)
    await prove()

    await own.engines[0]?.kill()
    await waitFor(() => told.includes('broken'))
    await own.engines[0]?.start()
    const startedAt = Date.now()
    await prove()
    const elapsed = Date.now() - startedAt
    told.length = 0
    await store.create('key', userNow())

    await waitFor(() => told.includes('changed key'))
    expect(elapsed).toBeLessThan(4_000)
  })

  it('tells nothing any more once it is closed, and closes the connection that it opened', async () => {
    const { client, send, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const { told, prove, store, subscription } = listen(client)
    await prove()

    await subscription.close()
    told.length = 0
    await store.create('key', userNow())
    const clients = String(await send('', 'CLIENT', 'LIST'))

    expect(told).toEqual([])
    expect(clients).not.toMatch(/flags=\w*t/)
    await expect(subscription.echo('late')).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })

  it('works with a client that was set up for RESP 2 and for a cache of its own', async () => {
    const client = createClient({ url: server.url, RESP: 2 })
    client.on('error', () => undefined)
    await client.connect()
    onTestFinished(() => client.destroy())

    const { prove } = listen(client)

    await expect(prove()).resolves.toBeUndefined()
  })

  it('says which client it needs', async () => {
    const { client, close } = await openIoredis(server.url)
    onTestFinished(close)

    const create = () => createRedisInvalidations(client as unknown as RedisFeedClient)

    expect(create).toThrow(
      new TypeError(
        'Cannot create a feed of Redis invalidations on a client of ioredis, which does not pass them on; ' +
          'give it one of node-redis. The store may stay on ioredis',
      ),
    )
  })
})

describeWith(['redis-server'], 'createRedisInvalidations() on a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  }, 60_000)
  afterAll(() => cluster.close())

  it('tells of sessions on every primary, and of nonces that came back from all', async () => {
    const { client, close } = await openNodeRedisCluster(cluster.nodes)
    onTestFinished(() => void close())
    const { told, changes, prove, store } = listen(client)
    await prove()
    told.length = 0
    const keys = Array.from({ length: 30 }, (_, index) => `key${index}`)

    for (const key of keys) await store.create(key, userNow())
    await prove()

    expect(changes().sort()).toEqual(keys.map((key) => `changed ${key}`).sort())
  })

  it('tells that a primary was lost, proves nothing until its replica has its place, and then listens there', async () => {
    const { client, close } = await openNodeRedisCluster(cluster.nodes)
    onTestFinished(() => void close())
    const { told, prove, store } = listen(client)
    await prove()

    await cluster.engines[0]?.kill()
    await waitFor(() => told.includes('broken'))
    const before = told.filter((event) => event.startsWith('echoed')).length
    await prove(20_000)
    told.length = 0
    const keys = Array.from({ length: 30 }, (_, index) => `later${index}`)
    for (const key of keys) await store.create(key, userNow())
    await waitFor(() => keys.every((key) => told.includes(`changed ${key}`)))

    expect(before).toBeGreaterThan(0)
    await cluster.engines[0]?.start()
  }, 40_000)
})

describeWith(['redis-server', 'redis-sentinel'], 'createRedisInvalidations() with Sentinel', () => {
  let group: RedisSentinel
  beforeAll(async () => {
    group = await startRedisSentinel()
  }, 60_000)
  afterAll(() => group.close())

  it('follows the primary', async () => {
    const { client, close } = await openNodeRedisSentinel(group.sentinels, group.masterName)
    onTestFinished(() => void close())
    const { told, prove, store } = listen(client, {
      connect: (socket) =>
        createClient({ socket: { ...socket, reconnectStrategy: false }, emitInvalidate: true }),
    })
    await prove()

    await group.engines[0]?.kill()
    await waitFor(() => told.includes('broken'))
    await prove(20_000)
    told.length = 0
    await store.create('key', userNow())

    await waitFor(() => told.includes('changed key'))
    expect(told).toContain('changed key')
  }, 40_000)

  it('needs to be told how to connect', async () => {
    const { client, close } = await openNodeRedisSentinel(group.sentinels, group.masterName)
    onTestFinished(() => void close())

    expect(() => createRedisInvalidations(client)).toThrow(/Sentinel client without the option connect/)
  })
})
