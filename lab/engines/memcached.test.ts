import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { converse } from './converse.ts'
import { type MemcachedOptions, startMemcached } from './memcached.ts'
import { findProcess } from './process-table.ts'

async function createTrial(options: MemcachedOptions = {}) {
  const group = await startMemcached(options)
  onTestFinished(() => group.close())
  return group
}

describeWith(['memcached'], 'startMemcached()', () => {
  it('starts servers with the memory they were told, which know nothing of each other', async () => {
    const { engines } = await createTrial({ nodes: 2, memory: 8 })
    const [first = 0, second = 0] = engines.map(({ port }) => port)

    const stored = await converse(first, ['set a 0 0 1', '1', 'quit'])
    const there = await converse(first, ['get a', 'stats', 'quit'])
    const elsewhere = await converse(second, ['get a', 'quit'])

    expect(engines.map(({ name }) => name)).toEqual(['memcached-1', 'memcached-2'])
    expect(stored).toBe('STORED\r\n')
    expect(there).toMatch(/^VALUE a 0 1\r\n1\r\nEND\r\n/)
    expect(there).toContain('STAT limit_maxbytes 8388608\r\n')
    expect(elsewhere).toBe('END\r\n')
  })

  it('has forgotten everything when it is started again after a kill', async () => {
    const [engine] = (await createTrial()).engines
    if (!engine) throw new Error('There is no engine')
    const { port } = engine
    await converse(port, ['set a 0 0 1', '1', 'quit'])

    await engine.kill()
    await engine.start()
    const answer = await converse(port, ['get a', 'quit'])

    expect(answer).toBe('END\r\n')
    expect(engine.port).toBe(port)
  })

  it('leaves no process when it is closed, even paused', async () => {
    const group = await createTrial()
    const [engine] = group.engines
    const pid = engine?.pid ?? 0

    await engine?.pause()
    await group.close()

    expect(pid).toBeGreaterThan(0)
    expect(findProcess(pid)).toBeUndefined()
  })
})
