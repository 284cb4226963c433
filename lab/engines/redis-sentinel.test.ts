import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { findProcess } from './process-table.ts'
import { type RedisSentinelOptions, startRedisSentinel } from './redis-sentinel.ts'
import { askRedis } from './redis-server.ts'

async function createTrial(options: RedisSentinelOptions = {}) {
  const group = await startRedisSentinel(options)
  onTestFinished(() => group.close())
  return {
    group,
    engine(name: string) {
      const found = group.engines.find((engine) => engine.name === name)
      if (!found) throw new Error(`There is no ${name}`)
      return found
    },
    /** Port of the primary, as a sentinel knows it. */
    async primary() {
      const answer = await askRedis(group.sentinels[0]?.port ?? 0, [
        `SENTINEL GET-MASTER-ADDR-BY-NAME ${group.masterName}`,
      ])
      return Number(/^\d+\r$/m.exec(answer)?.[0])
    },
  }
}

describeWith(['redis-server', 'redis-sentinel'], 'startRedisSentinel()', () => {
  it('replaces a primary that is killed by a replica that has what it acknowledged', async () => {
    const { engine, primary } = await createTrial()
    const first = engine('redis-1')
    const before = await primary()
    await askRedis(first.port, ['SET a 1', 'WAIT 2 1000'])

    await first.kill()
    await expect.poll(primary, { timeout: 10_000 }).not.toBe(before)
    const after = await primary()
    const kept = await askRedis(after, ['GET a'])
    await first.start()

    expect(before).toBe(first.port)
    expect([engine('redis-2').port, engine('redis-3').port]).toContain(after)
    expect(kept).toContain('$1\r\n1\r\n')
    expect(first.status).toBe('ready')
  })

  it('takes what the servers need to refuse writes without a replica, with a password', async () => {
    const { group, engine } = await createTrial({
      config: { requirepass: 'secret', 'min-replicas-to-write': 2, 'min-replicas-max-lag': 1 },
    })
    const { port } = engine('redis-1')
    const before = await askRedis(port, ['SET a 1'], 'secret')
    const pids = group.engines.map(({ pid = 0 }) => pid)

    await engine('redis-2').kill()
    const write = () => askRedis(port, ['SET a 2'], 'secret').catch((error: Error) => error.message)
    await expect.poll(write).toContain('NOREPLICAS')
    await engine('redis-3').pause()
    await group.close()

    expect(before).toContain('+OK')
    expect(pids.filter(findProcess)).toEqual([])
  })
})
