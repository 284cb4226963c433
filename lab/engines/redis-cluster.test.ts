import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { findProcess } from './process-table.ts'
import { type RedisClusterOptions, startRedisCluster } from './redis-cluster.ts'
import { askRedis } from './redis-server.ts'

async function createTrial(options: RedisClusterOptions = {}) {
  const group = await startRedisCluster(options)
  onTestFinished(() => group.close())
  return {
    group,
    engine(name: string) {
      const found = group.engines.find((engine) => engine.name === name)
      if (!found) throw new Error(`There is no ${name}`)
      return found
    },
  }
}

describeWith(['redis-server'], 'startRedisCluster()', () => {
  it('replaces a primary that is killed by its replica, which has its keys, and takes it back', async () => {
    const { group, engine } = await createTrial()
    const [primary, replica] = [engine('redis-1'), engine('redis-4')]
    // Slot 3300: the first primary's.
    await askRedis(primary.port, ['SET b 1', 'WAIT 1 1000'])
    const pids = group.engines.map(({ pid = 0 }) => pid)

    await primary.kill()
    const role = () => askRedis(replica.port, ['INFO replication', 'CLUSTER INFO'])
    await expect.poll(role, { timeout: 10_000 }).toMatch(/role:master[^]*cluster_state:ok/)
    const kept = await askRedis(replica.port, ['GET b'])
    await primary.start()
    const back = await askRedis(primary.port, ['CLUSTER INFO', 'INFO replication'])
    await engine('redis-2').pause()
    await group.close()

    expect(group.nodes.map(({ port }) => port)).toEqual(group.engines.map(({ port }) => port))
    expect(kept).toContain('$1\r\n1\r\n')
    expect(back).toContain('cluster_state:ok')
    expect(pids.filter(findProcess)).toEqual([])
  }, 40_000)

  it('has every slot served by the time it has started', async () => {
    const { group } = await createTrial({ config: { requirepass: 'secret' } })

    const answers = await Promise.all(
      group.nodes.map(({ port }) => askRedis(port, ['CLUSTER INFO', 'CLUSTER SLOTS'], 'secret')),
    )

    for (const answer of answers) {
      expect(answer).toContain('cluster_slots_ok:16384')
      for (const { port } of group.nodes) expect(answer).toContain(`:${port}\r\n`)
    }
  })
})
