import { existsSync } from 'node:fs'
import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { findProcess } from './process-table.ts'
import { askRedis } from './redis-server.ts'
import { type RedisOptions, startRedis } from './redis.ts'

async function createTrial(options: RedisOptions = {}) {
  const redis = await startRedis(options)
  onTestFinished(() => redis.close())
  const [engine] = redis.engines
  if (!engine) throw new Error('There is no engine')
  const ask = (...commands: string[]) =>
    askRedis(engine.port, commands, String(options.config?.['requirepass'] ?? ''))
  return { redis, engine, ask }
}

describeWith(['redis-server'], 'startRedis()', () => {
  it('starts a Redis that answers where it says', async () => {
    const { redis, engine, ask } = await createTrial()

    const answer = await ask('SET a 1', 'GET a')

    expect(answer).toContain('$1\r\n1\r\n')
    expect(redis.url).toBe(`redis://127.0.0.1:${engine.port}`)
    expect(engine).toMatchObject({ name: 'redis', status: 'ready' })
    expect(findProcess(engine.pid ?? 0)?.parent).toBe(process.pid)
  })

  it('takes any directive, a password for one', async () => {
    const { redis, engine, ask } = await createTrial({
      config: { requirepass: 'p@ss', 'maxmemory-policy': 'allkeys-lru' },
    })

    const answer = await ask('CONFIG GET maxmemory-policy')

    expect(answer).toContain('allkeys-lru')
    expect(redis.url).toBe(`redis://:p%40ss@127.0.0.1:${engine.port}`)
    await expect(askRedis(engine.port, ['PING'])).rejects.toThrow('NOAUTH')
  })

  it('answers nothing while it is paused, and goes on where it was', async () => {
    const { engine, ask } = await createTrial()
    await ask('SET a 1')

    await engine.pause()
    const paused = await ask('GET a').catch((error: Error) => error.message)
    const { status } = engine
    await engine.resume()
    const resumed = await ask('GET a')

    expect(paused).toContain('does not answer')
    expect(status).toBe('paused')
    expect(resumed).toContain('$1\r\n1\r\n')
    expect(engine.status).toBe('ready')
  })

  it('has all it acknowledged when it is started again after a kill, on the same port', async () => {
    const { redis, engine, ask } = await createTrial()
    const { pid } = engine
    await ask('SET a 1')

    await engine.kill()
    await engine.kill()
    const killed = { status: engine.status, pid: engine.pid, alive: findProcess(pid ?? 0) }
    const refused = await ask('PING').catch((error: NodeJS.ErrnoException) => error.code)
    await engine.start()
    const answer = await ask('GET a')

    expect(killed).toEqual({ status: 'stopped', pid: undefined, alive: undefined })
    expect(refused).toBe('ECONNREFUSED')
    expect(answer).toContain('$1\r\n1\r\n')
    expect(redis.url).toContain(`:${engine.port}`)
    expect(engine.pid).not.toBe(pid)
  })

  it('tells of an end that nobody asked for, and of no other', async () => {
    const ends: string[] = []
    const { engine } = await createTrial({ onCrash: (name, how) => ends.push(`${name} ${how}`) })

    await engine.kill()
    await engine.start()
    const asked = [...ends]
    process.kill(engine.pid ?? 0, 'SIGKILL')

    await expect.poll(() => ends).toEqual(['redis SIGKILL'])
    expect(asked).toEqual([])
    expect(engine.status).toBe('stopped')
  })

  it('says what its log says when it cannot start', async () => {
    const start = startRedis({ config: { 'no-such-directive': 1 } })

    await expect(start).rejects.toThrow(/Cannot start redis .*Bad directive/s)
  })

  it('leaves neither process nor folder when it is closed, even paused', async () => {
    const { redis, engine, ask } = await createTrial()
    const folder = /^\$\d+\r\n(\/.*)\/redis\r$/m.exec(await ask('CONFIG GET dir'))?.[1] ?? ''
    const { pid = 0 } = engine
    const before = { folder: existsSync(folder), process: findProcess(pid) !== undefined }

    await engine.pause()
    await redis.close()

    expect(before).toEqual({ folder: true, process: true })
    expect({ folder: existsSync(folder), process: findProcess(pid) }).toEqual({
      folder: false,
      process: undefined,
    })
  })
})
