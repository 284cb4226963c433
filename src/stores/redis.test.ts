import { createHash, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Cluster as IoredisCluster, Redis as Ioredis } from 'ioredis'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { type Redis, startRedis } from '../../lab/engines/redis.ts'
import { describeWith } from '../../test/support/engines.ts'
import {
  createRedisTrial,
  describeRedisContract,
  openIoredis,
  openNodeRedis,
} from '../../test/support/redis-connections.ts'
import { createRedisStore, type RedisClient, type RedisStoreOptions } from './redis.ts'
import {
  CorruptRecordError,
  type IndexedSessionStore,
  type SessionStore,
  StoreUnavailableError,
} from './store.ts'
import { userNow } from '../../test/support/records.ts'

describeWith(['redis-server'], 'createRedisStore() on one server', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  describeRedisContract('with node-redis', () => openNodeRedis(server.url))
  describeRedisContract('with ioredis', () => openIoredis(server.url))
})

describeWith(['redis-server'], 'createRedisStore()', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  /** A store with keys of its own. */
  async function createTrial(options: RedisStoreOptions = {}) {
    const connection = await openNodeRedis(server.url)
    onTestFinished(() => void connection.close())
    return { ...connection, ...createRedisTrial(connection, connection, options) }
  }

  it('keeps record and last use under keys of one slot, which outlive the session by half an idle span', async () => {
    const { store, send, prefix } = await createTrial()
    const record = userNow({ principal: undefined })

    await store.create('key', record)
    const keys = await send('', 'KEYS', `${prefix}*`)
    const expiries = await Promise.all(
      ['s', 'u'].map((kind) => send('', 'PEXPIRETIME', `${prefix}${kind}:{key}`)),
    )

    expect((keys as string[]).sort()).toEqual([`${prefix}s:{key}`, `${prefix}u:{key}`])
    expect(expiries).toEqual([record.expiresAt - 1 + 30_000, record.expiresAt - 1])
  })

  it('leaves no key without an expiry', async () => {
    const { store, send, prefix } = await createTrial()
    const record = userNow()
    const created = await store.create('key', record)
    await store.write('key', created.outcome === 'written' ? created.version : 0, userNow())
    await store.touch('key', record.lastSeenAt + 90_000, record.expiresAt + 90_000)
    await store.create('other', record)
    await store.quarantine('other')

    const keys = (await send('', 'KEYS', `${prefix}*`)) as string[]
    const lifetimes = await Promise.all(keys.map((key) => send('', 'PTTL', key)))

    expect(keys).toHaveLength(4)
    for (const lifetime of lifetimes) expect(lifetime).toBeGreaterThan(0)
  })

  it('prolongs the record and the entry of its user only when a touch outlives them', async () => {
    const { store, send, prefix } = await createTrial()
    const record = userNow({ principal: mintUser() })
    await store.create('key', record)
    const look = async () => {
      const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
      return await Promise.all([
        send('', 'PEXPIRETIME', `${prefix}s:{key}`),
        send('', 'ZSCORE', index, 'key'),
        send('', 'PEXPIRETIME', index),
      ])
    }
    const before = await look()

    await store.touch('key', record.lastSeenAt + 20_000, record.expiresAt + 20_000)
    const soon = await look()
    await store.touch('key', record.lastSeenAt + 40_000, record.expiresAt + 40_000)
    const late = await look()

    expect(soon).toEqual(before)
    expect(late[0]).toBe(record.expiresAt + 40_000 - 1 + 30_000)
    expect(Number(late[1])).toBeGreaterThan(Number(before[1]))
    expect(late[2]).toBeGreaterThanOrEqual(record.expiresAt + 40_000 + 30_000 - 1)
    expect(await listKeys(store, record.principal)).toEqual(['key'])
  })

  it('gives versions by the clock, so that a server that has lost writes does not give one twice', async () => {
    const { store, send, prefix } = await createTrial()
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0
    const names = [`${prefix}s:{key}`, `${prefix}u:{key}`] as const
    const [record, use] = (await send('', 'MGET', ...names)) as [string, string]
    const lost = await store.write('key', version, userNow())

    // The primary that took over had not seen the write.
    await send('', 'MSET', names[0], record, names[1], use)
    const written = await store.write('key', version, userNow())

    expect(written.outcome).toBe('written')
    expect(written).not.toEqual(lost)
    expect(Math.abs(version / 1_000 - Date.now())).toBeLessThan(60_000)
  })

  it('sends its scripts again after the server has forgotten them', async () => {
    const { store, send } = await createTrial()
    await store.create('key', userNow())

    await send('', 'SCRIPT', 'FLUSH')
    const [created, touched] = await Promise.all([
      store.create('other', userNow()),
      store.touch('key', Date.now(), Date.now() + 90_000),
    ])

    expect([created.outcome, touched]).toEqual(['written', true])
  })

  it('knows nothing any more when the server was wiped, and adopts no old key', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, send, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client)
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0

    await send('', 'FLUSHALL')

    expect(await store.write('key', version, userNow())).toEqual({ outcome: 'gone' })
    expect(await store.touch('key', Date.now(), Date.now() + 90_000)).toBe(false)
    expect(await store.list('ada')).toEqual([])
    expect((await store.create('new', userNow())).outcome).toBe('written')
  })

  it.each([
    ['a record of another type', (prefix: string) => ['LPUSH', `${prefix}s:{key}`, 'x']],
    ['a last use of another type', (prefix: string) => ['LPUSH', `${prefix}u:{key}`, 'x']],
    ['a record that is cut off', (prefix: string) => ['SET', `${prefix}s:{key}`, '17']],
    ['a record without a version', (prefix: string) => ['SET', `${prefix}s:{key}`, 'x 1\n{}']],
    ['a user that is no text', (prefix: string) => ['SET', `${prefix}s:{key}`, '17 1 7\n{}']],
    ['a last use that is no number', (prefix: string) => ['SET', `${prefix}u:{key}`, 'x y']],
  ] as const)('takes %s for corrupt until it was set aside', async (_what, damage) => {
    const { store, send, prefix } = await createTrial()
    await store.create('key', userNow())
    const command = damage(prefix)
    await send('', 'DEL', command[1] ?? '')
    await send('', ...command)

    await expect(store.read('key')).rejects.toThrow(CorruptRecordError)
    const outcomes = await Promise.all([
      store.write('key', 1, userNow()).then(({ outcome }) => outcome),
      store.create('key', userNow()).then(({ outcome }) => outcome),
    ])
    const aside = [await store.quarantine('key'), await store.quarantine('key')]

    expect(outcomes).toEqual(['conflict', 'conflict'])
    expect(aside).toEqual([true, false])
    expect(await store.read('key')).toBeUndefined()
    expect(await send('', 'PTTL', `${prefix}q:{key}`)).toBeGreaterThan(86_400_000)
  })

  it('takes those out of the index of a user that are no sessions of theirs, but for what is just being created', async () => {
    const { store, send, prefix } = await createTrial()
    const user = mintUser()
    await store.create('key', userNow({ principal: user }))
    const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
    const now = Math.floor(Date.now() / 1_000)
    const scoreOf = (enteredAt: number) => `${(now + 60) * 2 ** 20 + (enteredAt % 2 ** 20)}`
    await send('', 'ZADD', index, scoreOf(now - 60), 'stray', scoreOf(now), 'coming')
    await send('', 'ZADD', index, `${(now - 1) * 2 ** 20}`, 'expired')

    const listed = await listKeys(store, user)

    expect(listed).toEqual(['key'])
    expect(((await send('', 'ZRANGE', index, '0', '-1')) as string[]).sort()).toEqual(['coming', 'key'])
  })

  it.each([
    ['that is read as it is moved', 0],
    ['that is moved again when its new key is read', 1],
  ])('lists a session %s to another key', async (_what, moves) => {
    const { client, store, prefix } = await createTrial()
    const user = mintUser()
    const created = await store.create('key 0', userNow({ principal: user }))
    let version = created.outcome === 'written' ? created.version : 0
    let reads = 0
    const slow = new Proxy(client, {
      get(target, name) {
        if (name !== 'sendCommand') return Reflect.get(target, name, target) as unknown
        return async (args: string[]) => {
          if (args[0] === 'MGET' && reads <= moves) {
            const at = reads++
            const next = await store.create(`key ${at + 1}`, userNow({ principal: user }))
            await store.write(`key ${at}`, version, userNow({ principal: '' }))
            version = next.outcome === 'written' ? next.version : 0
          }
          return target.sendCommand(args)
        }
      },
    })

    const listed = await listKeys(createRedisStore(slow, { prefix }), user)

    expect(reads).toBe(moves + 1)
    expect(listed).toEqual([`key ${moves + 1}`])
  })

  it('lists a session that is created and moved on after its key was looked at', async () => {
    const { client, store, send, prefix } = await createTrial()
    const user = mintUser()
    const created = await store.create('old', userNow({ principal: user }))
    const [index = ''] = (await send('', 'KEYS', `${prefix}p:*`)) as string[]
    // As on a cluster: the index names the new key before its record is there.
    await send('', 'ZADD', index, `${(Math.floor(Date.now() / 1_000) + 60) * 2 ** 20}`, 'new')
    let reads = 0
    const slow = new Proxy(client, {
      get(target, name) {
        if (name !== 'sendCommand') return Reflect.get(target, name, target) as unknown
        return async (args: string[]) => {
          if (args[0] !== 'MGET' || reads++ > 0) return target.sendCommand(args)
          const answers = (await target.sendCommand(args)) as unknown[]
          await store.create('new', userNow({ principal: user }))
          const version = created.outcome === 'written' ? created.version : 0
          await store.write('old', version, userNow({ principal: '' }))
          const old = args.indexOf(`${prefix}s:{old}`) - 1
          const now = (await target.sendCommand(['MGET', ...args.slice(old + 1, old + 3)])) as unknown[]
          return answers.with(old, now[0]).with(old + 1, now[1])
        }
      },
    })

    const listed = await listKeys(createRedisStore(slow, { prefix }), user)

    expect(reads).toBeGreaterThan(1)
    expect(listed).toEqual(['new'])
  })

  it('sends the writes of one turn as one command, and lets one of several for a version win', async () => {
    const { store, send } = await createTrial()
    const users = ['ada', 'bob', undefined]
    const created = await Promise.all(
      users.map((principal, at) => store.create(`${at}`, userNow({ principal }))),
    )
    const versions = created.map((result) => (result.outcome === 'written' ? result.version : 0))
    await send('', 'CONFIG', 'RESETSTAT')

    const results = await Promise.all([
      store.write('0', versions[0] ?? 0, userNow({ data: 'first' })),
      store.write('0', versions[0] ?? 0, userNow({ data: 'second' })),
      store.write('2', versions[2] ?? 0, userNow({ data: 'third', principal: undefined })),
      store.write('none', 1, userNow()),
      store.create('1', userNow()),
      store.create('new', userNow({ principal: 'bob' })),
    ])

    expect(results.map(({ outcome }) => outcome)).toEqual([
      'written',
      'conflict',
      'written',
      'gone',
      'conflict',
      'written',
    ])
    expect(String(await send('', 'INFO', 'commandstats'))).toMatch(/^cmdstat_evalsha:calls=1,/m)
    expect(await Promise.all(['0', '1', '2'].map(async (key) => (await store.read(key))?.data))).toEqual([
      'first',
      '{}',
      'third',
    ])
    expect(await listKeys(store, 'bob')).toEqual(['1', 'new'])
  })

  it('stores what goes with a write that fails, and tells each what became of its own', async () => {
    const { store, send, prefix } = await createTrial()
    const index = `${prefix}p:${createHash('sha256').update('eve').digest('base64url')}`
    await send(index, 'SET', index, 'damaged')

    const ended = await Promise.allSettled([
      store.create('a', userNow()),
      store.create('b', userNow({ principal: 'eve' })),
      store.create('c', userNow()),
    ])
    const alone = await store.create('d', userNow({ principal: 'eve' })).catch((error: unknown) => error)

    expect(ended.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(ended[1]).toMatchObject({ reason: expect.any(StoreUnavailableError) as unknown })
    expect(alone).toBeInstanceOf(StoreUnavailableError)
    expect(await listKeys(store, 'ada')).toEqual(['a', 'c'])
  })

  it('does not apply a write that was in a queue for longer than writeTimeout', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client, { writeTimeout: 300 })
    await store.now()
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0

    await own.engines[0]?.pause()
    const writes = Promise.allSettled([
      store.write('key', version, userNow({ data: 'late' })),
      store.create('other', userNow()),
      store.delete('key'),
    ])
    await delay(400)
    await own.engines[0]?.resume()

    for (const write of await writes) {
      expect(write).toMatchObject({
        status: 'rejected',
        reason: {
          message:
            'Cannot write to the Redis session store: the write reached the server after writeTimeout, 300 ms, ' +
            'and was not applied',
        },
      })
    }
    expect(await store.read('key')).toMatchObject({ data: '{}', version })
    expect(await store.read('other')).toBeUndefined()
  })

  it('learns a clock of the server that it has mistaken, and writes all the same', async () => {
    const { store } = await createTrial({ writeTimeout: 300 })
    const clock = vi.spyOn(performance, 'now')
    await store.now?.()
    const ahead = performance.now()
    clock.mockImplementation(() => ahead - 60_000)
    onTestFinished(() => clock.mockRestore())

    const created = await store.create('key', userNow())

    expect(created.outcome).toBe('written')
  })

  it.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ] as const)(
    'refuses at once while the server is away, and works within 2 s of its return with %s',
    async (_name, open) => {
      const own = await startRedis()
      onTestFinished(() => own.close())
      const { client, close } = await open(own.url)
      onTestFinished(() => void close())
      const store = createRedisStore(client)
      await store.create('key', userNow())

      await own.engines[0]?.kill()
      await delay(100)
      const startedAt = performance.now()
      const refused = await store.read('key').catch((error: unknown) => error)
      const patience = performance.now() - startedAt
      await own.engines[0]?.start()
      const back = performance.now()
      while (!(await store.read('key').catch(() => undefined))) await delay(20)

      expect(refused).toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        message:
          'Cannot use the Redis session store: the client is not connected; connect it first, and look at its error events',
      })
      expect(patience).toBeLessThan(50)
      expect(performance.now() - back).toBeLessThan(2_000)
    },
  )

  it('goes on after the server stood still, with the same client', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client)
    await store.create('key', userNow())

    await own.engines[0]?.pause()
    const reads = Array.from({ length: 100 }, () => store.read('key'))
    await delay(500)
    await own.engines[0]?.resume()
    const found = await Promise.all(reads)

    expect(found.every((session) => session?.key === 'key')).toBe(true)
  })

  it('refuses a write that too few replicas have, and says so', async () => {
    const { store } = await createTrial({ wait: { replicas: 1, timeout: 20 } })

    const create = store.create('key', userNow())

    await expect(create).rejects.toThrow(
      new StoreUnavailableError(
        'Cannot write to the Redis session store: 0 of 1 replicas have acknowledged it in 20 ms; ' +
          'it may or may not last. Look at the replicas',
      ),
    )
  })

  it('never puts a key, a user or data into the message of an error', async () => {
    const { store, client } = await createTrial()
    client.destroy()

    const error = await store
      .create('secret-key', userNow({ principal: 'secret-user', data: 'secret-data' }))
      .catch((error: unknown) => error)

    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect((error as Error).message).not.toContain('secret')
  })

  it.each([
    [{}, 'none of'],
    [undefined, 'none of'],
    [{ sendCommand: () => undefined }, 'none of'],
    // A cluster client of redis 6.0.
    [{ isOpen: true, masters: [], replicas: [], sendCommand: () => undefined }, 'redis 6.1 or newer'],
    [new Ioredis({ lazyConnect: true, keyPrefix: 'app:' }), "leave it out and set the store's own prefix"],
    [new IoredisCluster([], { lazyConnect: true, scaleReads: 'slave' }), "set scaleReads: 'master'"],
  ])('says while it is created what is wrong with a client', (client, message) => {
    expect(() => createRedisStore(client as RedisClient)).toThrow(message)
  })

  it.each([
    [{ prefix: 'a{b}' }, 'prefix must be'],
    [{ prefix: '' }, 'prefix must be'],
    [{ wait: { replicas: 0 } }, 'wait.replicas must be'],
    [{ wait: { replicas: 1, timeout: 0 } }, 'wait.timeout must be'],
    [{ writeTimeout: 60_000 }, 'writeTimeout must be'],
  ])('says while it is created that %j is out of range', (options, message) => {
    const client = new Ioredis({ lazyConnect: true })

    expect(() => createRedisStore(client, options)).toThrow(RangeError)
    expect(() => createRedisStore(client, options)).toThrow(message)
  })
})

function mintUser(): string {
  return `ada-${randomBytes(8).toString('hex')}`
}

async function listKeys(store: SessionStore, principal = ''): Promise<readonly string[]> {
  return (await (store as IndexedSessionStore).list(principal)).map(({ key }) => key).sort()
}
