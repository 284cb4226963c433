import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type RedisCluster, startRedisCluster } from '../../../lab/engines/redis-cluster.ts'
import { type RedisSentinel, startRedisSentinel } from '../../../lab/engines/redis-sentinel.ts'
import { type RedisOptions, startRedis } from '../../../lab/engines/redis.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  openIoredis,
  openIoredisCluster,
  openNodeRedis,
  openNodeRedisCluster,
  openNodeRedisSentinel,
} from '../../../test/support/redis-connections.ts'
import { checkRedisStore } from '../redis.ts'

async function createTrial(
  config: RedisOptions['config'] = {},
  open: typeof openNodeRedis | typeof openIoredis = openNodeRedis,
) {
  const server = await startRedis({ config })
  onTestFinished(() => server.close())
  const connection = await open(server.url)
  onTestFinished(() => void connection.close())
  return { server, ...connection }
}

describeWith(['redis-server'], 'checkRedisStore()', () => {
  it.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ] as const)(
    'has nothing to say of a server that is set up for sessions, and leaves no session, with %s',
    async (_name, open) => {
      const { client, send } = await createTrial({}, open)

      const warnings = await checkRedisStore(client)

      expect(warnings).toEqual([])
      expect(await send('', 'KEYS', 'coatcheck:[su]:*')).toEqual([])
    },
  )

  it.each(['allkeys-lru', 'volatile-ttl'])('warns of maxmemory-policy %s', async (policy) => {
    const { client } = await createTrial({ 'maxmemory-policy': policy })

    const warnings = await checkRedisStore(client)

    expect(warnings).toEqual([
      `Redis drops live sessions when its memory is full, as maxmemory-policy is ${policy}: CONFIG SET maxmemory-policy noeviction`,
    ])
  })

  it.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ] as const)('warns of a server that writes nothing to its disk, with %s', async (_name, open) => {
    const { client } = await createTrial({ appendonly: 'no' }, open)

    const warnings = await checkRedisStore(client)

    expect(warnings).toEqual([
      'Redis forgets all sessions when it restarts, as it writes nothing to its disk: CONFIG SET appendonly yes',
    ])
  })

  it('takes snapshots for enough', async () => {
    const { client } = await createTrial({ appendonly: 'no', save: '900 1' })

    expect(await checkRedisStore(client)).toEqual([])
  })

  it('says what it could not check where the server refuses CONFIG', async () => {
    const { client } = await createTrial({ appendonly: 'no', 'rename-command': "CONFIG ''" })

    const warnings = await checkRedisStore(client)

    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('Could not check whether Redis writes sessions to its disk')
  })

  it('refuses more replicas to wait for than there are', async () => {
    const { client } = await createTrial()

    const check = checkRedisStore(client, { wait: { replicas: 2 } })

    await expect(check).rejects.toThrow(/0 of 2 replicas have acknowledged it/)
  })

  it('asks for the password that the server wants', async () => {
    const { server } = await createTrial({ requirepass: 'secret' })
    const { client, close } = await openIoredis(server.url.replace(/:secret@/, ''), false)
    onTestFinished(close)

    const error = await checkRedisStore(client).catch((error: unknown) => error)

    expect(error).toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message:
        'Cannot use the Redis session store: the server asks for a password; give the client username and password',
    })
  })

  it('says which permission is missing', async () => {
    const { client, send } = await createTrial()
    await send('', 'ACL', 'SETUSER', 'default', '-evalsha', '-eval')

    await expect(checkRedisStore(client)).rejects.toThrow(/the user may not run a command; allow/)
  })

  it('says that a client is not connected', async () => {
    const { client, close } = await createTrial()
    close()

    await expect(checkRedisStore(client)).rejects.toThrow(/the client is not connected; connect it first/)
  })

  it('says that nothing listens at an address', async () => {
    const { server } = await createTrial()
    await server.engines[0]?.kill()
    const { client, close } = await openIoredis(server.url, false)
    onTestFinished(close)

    await expect(checkRedisStore(client)).rejects.toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
  })
})

describeWith(['redis-server', 'redis-sentinel'], 'checkRedisStore() with replicas', () => {
  let group: RedisSentinel
  beforeAll(async () => {
    group = await startRedisSentinel()
  }, 60_000)
  afterAll(() => group.close())

  it('warns of a primary that would acknowledge alone, until it is told not to', async () => {
    const { client, send, close } = await openNodeRedisSentinel(group.sentinels, group.masterName)
    onTestFinished(() => void close())

    const warnings = await checkRedisStore(client)
    await send('', 'CONFIG', 'SET', 'min-replicas-to-write', '1')
    const later = await checkRedisStore(client)

    expect(warnings).toHaveLength(1)
    expect(warnings[0]).toContain('CONFIG SET min-replicas-to-write 1')
    expect(later).toEqual([])
  })

  it('refuses a replica', async () => {
    const replica = group.engines[1]
    const { client, close } = await openNodeRedis(`redis://127.0.0.1:${replica?.port}`)
    onTestFinished(() => void close())

    await expect(checkRedisStore(client)).rejects.toThrow(/the server is a replica; connect to the primary/)
  })
})

describeWith(['redis-server'], 'checkRedisStore() on a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  }, 60_000)
  afterAll(() => cluster.close())

  it.each([
    ['node-redis', openNodeRedisCluster],
    ['ioredis', openIoredisCluster],
  ] as const)('examines every primary, with %s', async (_name, open) => {
    const { client, close } = await open(cluster.nodes)
    onTestFinished(() => void close())
    const third = await openNodeRedis(`redis://127.0.0.1:${cluster.engines[2]?.port}`)
    onTestFinished(() => void third.close())
    await third.send('', 'CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru')

    const warnings = await checkRedisStore(client)

    expect(warnings.some((warning) => warning.includes('allkeys-lru'))).toBe(true)
  })

  it('says that a client for one server is the wrong one', async () => {
    const { client, close } = await openNodeRedis(`redis://127.0.0.1:${cluster.engines[0]?.port}`)
    onTestFinished(() => void close())

    await expect(checkRedisStore(client)).rejects.toThrow(
      /a node of a cluster; use createCluster\(\) or new Cluster\(\)/,
    )
  })
})
