import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type RedisSentinel, startRedisSentinel } from '../../../lab/engines/redis-sentinel.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  describeRedisContract,
  openIoredis,
  openIoredisSentinel,
  openNodeRedis,
  openNodeRedisPool,
  openNodeRedisSentinel,
  type RedisConnection,
} from '../../../test/support/redis-connections.ts'
import { createRedisStore } from '../redis.ts'
import type { SessionRecord } from '../store.ts'

describeWith(['redis-server', 'redis-sentinel'], 'createRedisStore() with Sentinel', () => {
  let group: RedisSentinel
  beforeAll(async () => {
    group = await startRedisSentinel()
  }, 60_000)
  afterAll(() => group.close())

  describeRedisContract('with node-redis', () => openNodeRedisSentinel(group.sentinels, group.masterName))
  describeRedisContract('with ioredis', () => openIoredisSentinel(group.sentinels, group.masterName))
})

describeWith(['redis-server', 'redis-sentinel'], 'createRedisStore() with Sentinel, in trouble', () => {
  async function startTrial(open: typeof openNodeRedisSentinel | typeof openIoredisSentinel) {
    const group = await startRedisSentinel()
    onTestFinished(() => group.close())
    const connection: RedisConnection = await open(group.sentinels, group.masterName)
    onTestFinished(() => void connection.close())
    return { group, ...connection }
  }

  it.each([
    ['node-redis', openNodeRedisSentinel],
    ['ioredis', openIoredisSentinel],
  ] as const)(
    'loses no write that a replica has confirmed when the primary is killed, with %s',
    async (_name, open) => {
      const { group, client } = await startTrial(open)
      const store = createRedisStore(client, { wait: { replicas: 1 } })
      await store.now()
      const acknowledged = new Map<string, string>()
      const deleted: string[] = []
      const stop = new AbortController()

      async function load(): Promise<void> {
        while (!stop.signal.aborted) {
          const key = randomBytes(32).toString('base64url')
          try {
            const created = await withDeadline(store.create(key, recordNow({ data: 'created' })))
            if (created.outcome !== 'written') continue
            const written = await withDeadline(
              store.write(key, created.version, recordNow({ data: 'written' })),
            )
            if (written.outcome === 'written') acknowledged.set(key, 'written')
            if (Math.random() < 0.2) {
              acknowledged.delete(key)
              if (await withDeadline(store.delete(key))) deleted.push(key)
            }
          } catch {
            await delay(20)
          }
        }
      }

      const loads = Array.from({ length: 8 }, load)
      await delay(1_000)
      const before = acknowledged.size
      await group.engines[0]?.kill()
      const killedAt = performance.now()
      while (
        !(await withDeadline(store.create(randomBytes(32).toString('base64url'), recordNow())).catch(
          () => undefined,
        ))
      ) {
        await delay(50)
      }
      const outage = performance.now() - killedAt
      await delay(1_000)
      stop.abort()
      await Promise.all(loads)
      const found = await Promise.all(
        [...acknowledged].map(async ([key, data]) => (await store.read(key))?.data === data),
      )
      const revived = (await Promise.all(deleted.map((key) => store.read(key)))).filter(Boolean)

      expect(before).toBeGreaterThan(20)
      expect(acknowledged.size).toBeGreaterThan(before)
      expect(found.filter((kept) => !kept)).toEqual([])
      expect(deleted.length).toBeGreaterThan(0)
      expect(revived).toEqual([])
      expect(outage).toBeLessThan(15_000)
    },
    60_000,
  )

  it('refuses a deletion that no connected replica confirms, but for where that is allowed', async () => {
    const { group, client } = await startTrial(openNodeRedisSentinel)
    const store = createRedisStore(client)
    const daring = createRedisStore(client, { allowUnreplicatedDeletes: true })
    for (const key of ['one', 'two', 'three']) await store.create(key, recordNow())
    const confirmed = await store.delete('one')

    for (const replica of group.engines.slice(1, 3)) await replica.pause()
    const refused = store.delete('two')
    await expect(refused).rejects.toThrow(/0 of 1 replicas have acknowledged it in 200 ms/)
    const allowed = await daring.delete('three')
    for (const replica of group.engines.slice(1, 3)) await replica.resume()

    expect(confirmed?.key).toBe('one')
    expect(allowed?.key).toBe('three')
  }, 30_000)

  it.each([
    ['a client of node-redis', (port: number) => openNodeRedis(`redis://127.0.0.1:${port}`)],
    ['a pool of node-redis', (port: number) => openNodeRedisPool(`redis://127.0.0.1:${port}`)],
    ['ioredis', (port: number) => openIoredis(`redis://127.0.0.1:${port}`)],
  ] as const)(
    'takes no other connection for the one that has written, with %s',
    async (_name, open) => {
      const group = await startRedisSentinel()
      onTestFinished(() => group.close())
      const connection = await open(group.engines[0]?.port ?? 0)
      onTestFinished(() => void connection.close())
      const store = createRedisStore(connection.client, { wait: { replicas: 1, timeout: 50 } })

      for (const replica of group.engines.slice(1, 3)) await replica.pause()
      const refused = store.create('key', recordNow())
      await expect(refused).rejects.toThrow(/0 of 1 replicas/)
      for (const replica of group.engines.slice(1, 3)) await replica.resume()
      const confirmed = await createRedisStore(connection.client, { wait: { replicas: 1 } }).create(
        'last',
        recordNow(),
      )

      expect(confirmed.outcome).toBe('written')
    },
    30_000,
  )

  it('does not wait for replicas that are not there any more', async () => {
    const { group, client } = await startTrial(openNodeRedisSentinel)
    const store = createRedisStore(client)
    await store.create('key', recordNow())

    for (const replica of group.engines.slice(1, 3)) await replica.kill()
    await delay(200)
    const deleted = await store.delete('key')

    expect(deleted?.key).toBe('key')
  }, 30_000)
})

function recordNow(changes: Partial<SessionRecord> = {}): SessionRecord {
  const now = Date.now()
  return {
    data: '{}',
    principal: 'ada',
    createdAt: now,
    lastSeenAt: now,
    expiresAt: now + 600_000,
    ...changes,
  }
}

/** As the engine does: whoever waits longer is told that it failed. */
async function withDeadline<T>(work: Promise<T>): Promise<T> {
  return await Promise.race([
    work,
    delay(500).then(() => {
      throw new Error('There was no answer in 500 ms')
    }),
  ])
}
