import { createHash } from 'node:crypto'
import { Cluster as IoredisCluster, Redis as Ioredis } from 'ioredis'
import { expect, it } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { describeRedisContract, openIoredis, openNodeRedis } from '../../test/support/redis-connections.ts'
import { listKeys, useRedis } from '../../test/support/redis-trial.ts'
import { createRedisStore, type RedisClient } from './redis.ts'
import { CorruptRecordError, StoreUnavailableError } from './store.ts'
import { userNow } from '../../test/support/records.ts'

describeWith(['redis-server'], 'createRedisStore() on one server', () => {
  const { url } = useRedis()

  describeRedisContract('with node-redis', () => openNodeRedis(url()))
  describeRedisContract('with ioredis', () => openIoredis(url()))
})

describeWith(['redis-server'], 'createRedisStore()', () => {
  const { createTrial } = useRedis()

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
