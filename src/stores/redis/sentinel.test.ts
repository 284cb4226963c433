import { afterAll, beforeAll } from 'vitest'
import { type RedisSentinel, startRedisSentinel } from '../../../lab/engines/redis-sentinel.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  describeRedisContract,
  openIoredisSentinel,
  openNodeRedisSentinel,
} from '../../../test/support/redis-connections.ts'

describeWith(['redis-server', 'redis-sentinel'], 'createRedisStore() with Sentinel', () => {
  let group: RedisSentinel
  beforeAll(async () => {
    group = await startRedisSentinel()
  }, 60_000)
  afterAll(() => group.close())

  describeRedisContract('with node-redis', () => openNodeRedisSentinel(group.sentinels, group.masterName))
  describeRedisContract('with ioredis', () => openIoredisSentinel(group.sentinels, group.masterName))
})
