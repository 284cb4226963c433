import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest'
import { type RedisSentinel, startRedisSentinel } from '../../../lab/engines/redis-sentinel.ts'
import { describeWith } from '../../../test/support/engines.ts'
import {
  describeRedisContract,
  openIoredis,
  openIoredisSentinel,
  openNodeRedis,
  openNodeRedisPool,
  openNodeRedisSentinel,
  type RedisConnection,
} from '../../../test/support/redis-connections.ts'
import { createRedisStore, type RedisStore } from '../redis.ts'
import { userNow } from '../../../test/support/records.ts'

describeWith(['redis-server', 'redis-sentinel'], 'createRedisStore() with Sentinel', () => {
  let group: RedisSentinel
  beforeAll(async () => {
    group = await startRedisSentinel()
  }, 60_000)
  afterAll(() => group.close())

  describeRedisContract('with node-redis', () => openNodeRedisSentinel(group.sentinels, group.masterName))
  describeRedisContract('with ioredis', () => openIoredisSentinel(group.sentinels, group.masterName))
})

describeWith(['redis-server', 'redis-sentinel'], 'createRedisStore() with Sentinel, in trouble', () => {
  async function startTrial(open: typeof openNodeRedisSentinel | typeof openIoredisSentinel) {
    const group = await startRedisSentinel()
    onTestFinished(() => group.close())
    const connection: RedisConnection = await open(group.sentinels, group.masterName)
    onTestFinished(() => void connection.close())
    return { group, ...connection }
  }

  it.each([
    ['node-redis', openNodeRedisSentinel],
    ['ioredis', openIoredisSentinel],
  ] as const)(
    'loses no write that a replica has confirmed when the primary is killed, with %s',
    async (_name, open) => {
      const { group, client } = await startTrial(open)
      const store = createRedisStore(client, { wait: { replicas: 1 } })
      await store.now()
      const load = keepWriting(store)
      await delay(1_000)
      const before = load.acknowledged.size
      await group.engines[0]?.kill()
      const killedAt = performance.now()
      while (
        !(await withDeadline(store.create(randomBytes(32).toString('base64url'), userNow())).catch(
          () => undefined,
        ))
      ) {
        await delay(50)
      }
      const outage = performance.now() - killedAt
      await delay(1_000)
      const { acknowledged, deleted, lost, revived } = await load.stop()

      expect(before).toBeGreaterThan(20)
      expect(acknowledged).toBeGreaterThan(before)
      expect(lost).toBe(0)
      expect(deleted).toBeGreaterThan(0)
      expect(revived).toBe(0)
      expect(outage).toBeLessThan(15_000)
    },
    60_000,
  )

  it('loses no write that a replica has confirmed when the primary stands still for 7 s and comes back', async () => {
    const { group, client } = await startTrial(openNodeRedisSentinel)
    // A client that knows nothing of Sentinels goes on writing to whom it always wrote.
    const stale = await openNodeRedis(`redis://127.0.0.1:${group.engines[0]?.port}`)
    onTestFinished(() => void stale.close())
    const [store, old] = [client, stale.client].map((own) => createRedisStore(own, { wait: { replicas: 1 } }))
    if (!store || !old) throw new Error('There are two stores')
    await Promise.all([store.now(), old.now()])

    const loads = [keepWriting(store), keepWriting(old)]
    await delay(1_000)
    const before = loads.map(({ acknowledged }) => acknowledged.size)
    await group.engines[0]?.pause()
    await delay(7_000)
    const away = loads[0]?.acknowledged.size ?? 0
    await group.engines[0]?.resume()
    await delay(3_000)
    const results = await Promise.all(loads.map(({ stop }) => stop(store)))

    expect(Math.min(...before)).toBeGreaterThan(20)
    expect(away).toBeGreaterThan(before[0] ?? 0)
    expect(results.map(({ lost, revived }) => ({ lost, revived }))).toEqual([
      { lost: 0, revived: 0 },
      { lost: 0, revived: 0 },
    ])
  }, 60_000)

  it('refuses a deletion that no connected replica confirms, but for where that is allowed', async () => {
    const { group, client } = await startTrial(openNodeRedisSentinel)
    const store = createRedisStore(client)
    const daring = createRedisStore(client, { allowUnreplicatedDeletes: true })
    for (const key of ['one', 'two', 'three']) await store.create(key, userNow())
    const confirmed = await store.delete('one')

    for (const replica of group.engines.slice(1, 3)) await replica.pause()
    const refused = store.delete('two')
    await expect(refused).rejects.toThrow(/0 of 1 replicas have acknowledged it in 200 ms/)
    const allowed = await daring.delete('three')
    for (const replica of group.engines.slice(1, 3)) await replica.resume()

    expect(confirmed?.key).toBe('one')
    expect(allowed?.key).toBe('three')
  }, 30_000)

  it.each([
    ['a client of node-redis', (port: number) => openNodeRedis(`redis://127.0.0.1:${port}`)],
    ['a pool of node-redis', (port: number) => openNodeRedisPool(`redis://127.0.0.1:${port}`)],
    ['ioredis', (port: number) => openIoredis(`redis://127.0.0.1:${port}`)],
  ] as const)(
    'takes no other connection for the one that has written, with %s',
    async (_name, open) => {
      const group = await startRedisSentinel()
      onTestFinished(() => group.close())
      const connection = await open(group.engines[0]?.port ?? 0)
      onTestFinished(() => void connection.close())
      const store = createRedisStore(connection.client, { wait: { replicas: 1, timeout: 50 } })
      // The script is known, and the replicas have told that they have all that any connection has seen so far: a
      // connection that has not written since would be answered at once.
      await createRedisStore(connection.client).create('first', userNow())
      const offset = /master_repl_offset:(\d+)/.exec(String(await connection.send('', 'INFO', 'replication')))
      await expect
        .poll(
          async () => {
            const info = String(await connection.send('', 'INFO', 'replication'))
            const told = [...info.matchAll(/slave\d:.*offset=(\d+)/g)].map(([, told]) => Number(told))
            return told.length === 2 && Math.min(...told) >= Number(offset?.[1])
          },
          { timeout: 10_000 },
        )
        .toBe(true)

      for (const replica of group.engines.slice(1, 3)) await replica.pause()
      const refused = store.create('key', userNow())
      await expect(refused).rejects.toThrow(/0 of 1 replicas/)
      for (const replica of group.engines.slice(1, 3)) await replica.resume()
      const confirmed = await createRedisStore(connection.client, { wait: { replicas: 1 } }).create(
        'last',
        userNow(),
      )

      expect(confirmed.outcome).toBe('written')
    },
    30_000,
  )

  it('answers every write of a burst, again and again, however many connections the client has', async () => {
    const { group } = await startTrial(openNodeRedisSentinel)
    const bursts = [1, 4].map(async (masterPoolSize) => {
      const connection = await openNodeRedisSentinel(group.sentinels, group.masterName, { masterPoolSize })
      onTestFinished(() => void connection.close())
      // As for sessions and revocations: whatever one does, the other must not be kept waiting.
      const stores = [undefined, { replicas: 1 }].map((wait) => {
        return createRedisStore(connection.client, { prefix: `${masterPoolSize}:`, ...(wait && { wait }) })
      })
      let answered = 0
      for (let round = 0; round < 20; round++) {
        const writes = Array.from({ length: 10 }, () =>
          stores.map((store) =>
            withDeadline(store.create(randomBytes(32).toString('hex'), userNow()), 5_000),
          ),
        )
        const answers = await Promise.allSettled(writes.flat())
        answered += answers.filter(({ status }) => status === 'fulfilled').length
      }
      return answered
    })

    expect(await Promise.all(bursts)).toEqual([400, 400])
  }, 60_000)

  it('does not wait for replicas that are not there any more', async () => {
    const { group, client } = await startTrial(openNodeRedisSentinel)
    const store = createRedisStore(client)
    await store.create('key', userNow())

    for (const replica of group.engines.slice(1, 3)) await replica.kill()
    await delay(200)
    const deleted = await store.delete('key')

    expect(deleted?.key).toBe('key')
  }, 30_000)
})

/** Eight writers, who keep an account of what was acknowledged. */
function keepWriting(store: RedisStore) {
  const acknowledged = new Map<string, string>()
  const deleted: string[] = []
  const end = new AbortController()

  async function write(): Promise<void> {
    while (!end.signal.aborted) {
      const key = randomBytes(32).toString('base64url')
      try {
        const created = await withDeadline(store.create(key, userNow({ data: 'created' })))
        if (created.outcome !== 'written') continue
        const written = await withDeadline(store.write(key, created.version, userNow({ data: 'written' })))
        if (written.outcome === 'written') acknowledged.set(key, 'written')
        if (Math.random() < 0.2) {
          acknowledged.delete(key)
          if (await withDeadline(store.delete(key))) deleted.push(key)
        }
      } catch {
        await delay(20)
      }
    }
  }

  const writers = Array.from({ length: 8 }, write)
  return {
    acknowledged,
    /** @param from Where to look whether all is there. */
    async stop(from = store) {
      end.abort()
      await Promise.all(writers)
      const found = await Promise.all(
        [...acknowledged].map(async ([key, data]) => (await from.read(key))?.data === data),
      )
      const revived = (await Promise.all(deleted.map((key) => from.read(key)))).filter(Boolean)
      return {
        acknowledged: acknowledged.size,
        deleted: deleted.length,
        lost: found.filter((isKept) => !isKept).length,
        revived: revived.length,
      }
    },
  }
}

/** As the engine does: whoever waits longer is told that it failed. */
async function withDeadline<T>(work: Promise<T>, timeout = 500): Promise<T> {
  return await Promise.race([
    work,
    delay(timeout).then(() => {
      throw new Error(`There was no answer in ${timeout} ms`)
    }),
  ])
}
