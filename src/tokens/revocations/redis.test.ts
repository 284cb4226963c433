import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type Redis, startRedis } from '../../../lab/engines/redis.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { openNodeRedis } from '../../../test/support/redis-connections.ts'
import { createRevocations } from '../revocations.ts'
import { createRedisRevocationLog } from './redis.ts'

describeWith(['redis-server'], 'createRedisRevocationLog() on a server that loses everything', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  it('has it again although as many revocations follow as there were', async () => {
    const { client, close } = await openNodeRedis(server.url)
    onTestFinished(() => void close())
    const revocations = createRevocations(createRedisRevocationLog(client))
    onTestFinished(() => revocations.close())
    await revocations.ready
    await Promise.all(['a', 'b', 'c'].map((sid) => revocations.revokeSession(sid)))

    await Promise.all([client.flushAll(), ...['d', 'e', 'f'].map((sid) => revocations.revokeSession(sid))])

    const other = createRedisRevocationLog(client)
    const kept = async () => (await other.snapshot()).entries.map(({ subject }) => subject).toSorted()
    await expect.poll(kept, { timeout: 10_000 }).toEqual(['a', 'b', 'c', 'd', 'e', 'f'])
  })
})
