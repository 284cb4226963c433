/**
 * Stores with keys of their own, on one Redis server for the tests of a suite.
 *
 * @module
 */

import { afterAll, beforeAll, onTestFinished } from 'vitest'
import { type Redis, startRedis } from '../../lab/engines/redis.ts'
import type { RedisStoreOptions } from '../../src/stores/redis.ts'
import type { IndexedSessionStore, SessionStore } from '../../src/stores/store.ts'
import { createRedisTrial, openNodeRedis } from './redis-connections.ts'

/** Starts one server for the tests of a suite. */
export function useRedis() {
  let server: Redis
  beforeAll(async () => {
    server = await startRedis()
  })
  afterAll(() => server.close())

  /** A store with keys of its own. */
  async function createTrial(options: RedisStoreOptions = {}) {
    const connection = await openNodeRedis(server.url)
    onTestFinished(() => void connection.close())
    return { ...connection, ...createRedisTrial(connection, connection, options) }
  }

  return { createTrial, url: () => server.url }
}

/** Keys of the sessions that a user has, in order. */
export async function listKeys(store: SessionStore, principal = ''): Promise<readonly string[]> {
  return (await (store as IndexedSessionStore).list(principal)).map(({ key }) => key).sort()
}
