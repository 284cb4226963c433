import { afterAll, beforeAll } from 'vitest'
import { type Redis, startRedis } from '../../lab/engines/redis.ts'
import { describeWith } from '../../test/support/engines.ts'
import { describeRedisContract, openIoredis, openNodeRedis } from '../../test/support/redis-connections.ts'

describeWith(['redis-server'], 'createRedisStore() on one server', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  describeRedisContract('with node-redis', () => openNodeRedis(server.url))
  describeRedisContract('with ioredis', () => openIoredis(server.url))
})
