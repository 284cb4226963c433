import { setTimeout as delay } from 'node:timers/promises'
import { expect, it, onTestFinished, vi } from 'vitest'
import { startRedis } from '../../../lab/engines/redis.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { openIoredis, openNodeRedis } from '../../../test/support/redis-connections.ts'
import { useRedis } from '../../../test/support/redis-trial.ts'
import { createRedisStore } from '../redis.ts'
import { StoreUnavailableError } from '../store.ts'
import { userNow } from '../../../test/support/records.ts'

describeWith(['redis-server'], 'createRedisStore() in trouble', () => {
  const { createTrial } = useRedis()

  it('gives versions by the clock, so that a server that has lost writes does not give one twice', async () => {
    const { store, send, prefix } = await createTrial()
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0
    const names = [`${prefix}s:{key}`, `${prefix}u:{key}`] as const
    const [record, use] = (await send('', 'MGET', ...names)) as [string, string]
    const lost = await store.write('key', version, userNow())

    // The primary that took over had not seen the write.
    await send('', 'MSET', names[0], record, names[1], use)
    const written = await store.write('key', version, userNow())

    expect(written.outcome).toBe('written')
    expect(written).not.toEqual(lost)
    expect(Math.abs(version / 1_000 - Date.now())).toBeLessThan(60_000)
  })

  it('sends its scripts again after the server has forgotten them', async () => {
    const { store, send } = await createTrial()
    await store.create('key', userNow())

    await send('', 'SCRIPT', 'FLUSH')
    const [created, touched] = await Promise.all([
      store.create('other', userNow()),
      store.touch('key', Date.now(), Date.now() + 90_000),
    ])

    expect([created.outcome, touched]).toEqual(['written', true])
  })

  it('knows nothing any more when the server was wiped, and adopts no old key', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, send, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client)
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0

    await send('', 'FLUSHALL')

    expect(await store.write('key', version, userNow())).toEqual({ outcome: 'gone' })
    expect(await store.touch('key', Date.now(), Date.now() + 90_000)).toBe(false)
    expect(await store.list('ada')).toEqual([])
    expect((await store.create('new', userNow())).outcome).toBe('written')
  })

  it('does not apply a write that was in a queue for longer than writeTimeout', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client, { writeTimeout: 300 })
    await store.now()
    const created = await store.create('key', userNow())
    const version = created.outcome === 'written' ? created.version : 0

    await own.engines[0]?.pause()
    const writes = Promise.allSettled([
      store.write('key', version, userNow({ data: 'late' })),
      store.create('other', userNow()),
      store.delete('key'),
    ])
    await delay(400)
    await own.engines[0]?.resume()

    for (const write of await writes) {
      expect(write).toMatchObject({
        status: 'rejected',
        reason: {
          message:
            'Cannot write to the Redis session store: the write reached the server after writeTimeout, 300 ms, ' +
            'and was not applied',
        },
      })
    }
    expect(await store.read('key')).toMatchObject({ data: '{}', version })
    expect(await store.read('other')).toBeUndefined()
  })

  it('learns a clock of the server that it has mistaken, and writes all the same', async () => {
    const { store } = await createTrial({ writeTimeout: 300 })
    const clock = vi.spyOn(performance, 'now')
    await store.now?.()
    const ahead = performance.now()
    clock.mockImplementation(() => ahead - 60_000)
    onTestFinished(() => clock.mockRestore())

    const created = await store.create('key', userNow())

    expect(created.outcome).toBe('written')
  })

  it.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ] as const)(
    'refuses at once while the server is away, and works within 2 s of its return with %s',
    async (_name, open) => {
      const own = await startRedis()
      onTestFinished(() => own.close())
      const { client, close } = await open(own.url)
      onTestFinished(() => void close())
      const store = createRedisStore(client)
      await store.create('key', userNow())

      await own.engines[0]?.kill()
      await delay(100)
      const startedAt = performance.now()
      const refused = await store.read('key').catch((error: unknown) => error)
      const patience = performance.now() - startedAt
      await own.engines[0]?.start()
      const back = performance.now()
      while (!(await store.read('key').catch(() => undefined))) await delay(20)

      expect(refused).toMatchObject({
        code: 'ERR_STORE_UNAVAILABLE',
        message:
          'Cannot use the Redis session store: the client is not connected; connect it first, and look at its error events',
      })
      expect(patience).toBeLessThan(50)
      expect(performance.now() - back).toBeLessThan(2_000)
    },
  )

  it('goes on after the server stood still, with the same client', async () => {
    const own = await startRedis()
    onTestFinished(() => own.close())
    const { client, close } = await openNodeRedis(own.url)
    onTestFinished(() => void close())
    const store = createRedisStore(client)
    await store.create('key', userNow())

    await own.engines[0]?.pause()
    const reads = Array.from({ length: 100 }, () => store.read('key'))
    await delay(500)
    await own.engines[0]?.resume()
    const found = await Promise.all(reads)

    expect(found.every((session) => session?.key === 'key')).toBe(true)
  })

  it('refuses a write that too few replicas have, and says so', async () => {
    const { store } = await createTrial({ wait: { replicas: 1, timeout: 20 } })

    const create = store.create('key', userNow())

    await expect(create).rejects.toThrow(
      new StoreUnavailableError(
        'Cannot write to the Redis session store: 0 of 1 replicas have acknowledged it in 20 ms; ' +
          'it may or may not last. Look at the replicas',
      ),
    )
  })
})
