import { afterAll, beforeAll } from 'vitest'
import { type RedisCluster, startRedisCluster } from '../../../lab/engines/redis-cluster.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  describeRedisContract,
  openIoredisCluster,
  openNodeRedisCluster,
} from '../../../test/support/redis-connections.ts'

describeWith(['redis-server'], 'createRedisStore() on a cluster', () => {
  let cluster: RedisCluster
  beforeAll(async () => {
    cluster = await startRedisCluster()
  }, 60_000)
  afterAll(() => cluster.close())

  describeRedisContract('with node-redis', () => openNodeRedisCluster(cluster.nodes))
  describeRedisContract('with ioredis', () => openIoredisCluster(cluster.nodes))
})
