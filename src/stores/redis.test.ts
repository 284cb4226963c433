import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { Redis as Ioredis } from 'ioredis'
import { createClient } from 'redis'
import { afterAll, beforeAll, describe, it } from 'vitest'
import { type Redis, startRedis } from '../../lab/engines/redis.ts'
import { describeWith } from '../../test/support/engines.ts'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import { createRedisStore, type RedisClient } from './redis.ts'

/** A client of any kind, and the ways to reach around the store. */
interface Connection {
  readonly client: RedisClient
  readonly send: (...args: readonly string[]) => Promise<unknown>
  readonly close: () => void
}

describeWith(['redis-server'], 'createRedisStore() on one server', () => {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  async function openNodeRedis(): Promise<Connection> {
    const client = createClient({
      url: server.url,
      disableOfflineQueue: true,
      commandOptions: { timeout: 0 },
    })
    client.on('error', () => undefined)
    await client.connect()
    return { client, send: (...args) => client.sendCommand(args), close: () => client.destroy() }
  }

  async function openIoredis(): Promise<Connection> {
    const client = new Ioredis(server.url)
    client.on('error', () => undefined)
    await client.ping()
    return {
      client,
      send: (command = '', ...args) => client.call(command, ...args),
      close: () => client.disconnect(),
    }
  }

  describe.concurrent.each([
    ['node-redis', openNodeRedis],
    ['ioredis', openIoredis],
  ] as const)('with %s', (_name, open) => {
    it.for(storeContract)('$title', async (clause, { skip, onTestFinished }) => {
      const [own, other] = [await open(), await open()]
      onTestFinished(() => {
        other.close()
      })
      const trial = createTrial(own, other)
      const missing = missingCapability(clause, trial)
      if (missing !== undefined) skip(`needs ${missing}`)
      await clause.verify(trial)
    })
  })
})

/** Two servers' stores; `elapse` really waits. */
function createTrial(own: Connection, other: Connection): StoreTrial {
  const prefix = `${randomBytes(6).toString('hex')}:`
  return {
    store: createRedisStore(own.client, { prefix }),
    peer: createRedisStore(other.client, { prefix }),
    now: Date.now,
    elapse: (milliseconds) => delay(milliseconds),
    corrupt: async (key) => {
      await other.send('SET', `${prefix}s:{${key}}`, 'rubbish')
    },
    unplug: async () => own.close(),
  }
}
