import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type RedisCluster, startRedisCluster } from '../../../lab/engines/redis-cluster.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  describeRedisContract,
  openIoredisCluster,
  openNodeRedisCluster,
  type RedisConnection,
} from '../../../test/support/redis-connections.ts'
import { createRedisStore } from '../redis.ts'
import { recordNow } from '../../../test/support/records.ts'

describeWith(['redis-server'], 'createRedisStore() on a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  }, 60_000)
  afterAll(() => cluster.close())

  describeRedisContract('with node-redis', () => openNodeRedisCluster(cluster.nodes))
  describeRedisContract('with ioredis', () => openIoredisCluster(cluster.nodes))
})

describeWith(['redis-server'], 'createRedisStore() on a cluster, in trouble', () => {
  it.each([
    ['node-redis', openNodeRedisCluster],
    ['ioredis', openIoredisCluster],
  ] as const)(
    'loses no write that a replica has confirmed when a primary is killed, with %s',
    async (_name, open) => {
      const cluster = await startRedisCluster()
      onTestFinished(() => cluster.close())
      const { client, close }: RedisConnection = await open(cluster.nodes)
      onTestFinished(() => void close())
      const store = createRedisStore(client, { wait: { replicas: 1 } })
      await store.now()
      const acknowledged = new Map<string, string>()
      for (let index = 0; index < 200; index++) {
        const created = await store.create(`key${index}`, recordNow({ principal: 'ada' }))
        if (created.outcome !== 'written') throw new Error('It was not created')
        await store.write(`key${index}`, created.version, recordNow({ principal: 'ada', data: `${index}` }))
        acknowledged.set(`key${index}`, `${index}`)
      }

      await cluster.engines[0]?.kill()
      const killedAt = performance.now()
      const found = new Map<string, string>()
      while (found.size < acknowledged.size && performance.now() - killedAt < 20_000) {
        for (const key of acknowledged.keys()) {
          if (found.has(key)) continue
          const session = await Promise.race([store.read(key).catch(() => undefined), delay(500)])
          if (session) found.set(key, session.data)
          else break
        }
        await delay(20)
      }
      const listed = await store.list('ada')
      // Whatever primary has taken over has no replica now, so nothing can be confirmed there.
      const plain = createRedisStore(client)
      const deleted = await Promise.all([...acknowledged.keys()].map((key) => plain.delete(key)))

      expect(found).toEqual(acknowledged)
      expect(listed).toHaveLength(acknowledged.size)
      expect(deleted.every((session) => session !== undefined)).toBe(true)
    },
    60_000,
  )
})
