/**
 * A link over the clients of ioredis.
 *
 * @module
 */

import type { IoredisClient, RedisLink } from './clients.ts'
import { SESSION_STORE } from './errors.ts'
import { isRedirect } from './node-redis.ts'

/** Links a client of one server, of a primary that Sentinels tell, or of a cluster. `user` is for messages. */
export function linkIoredis(client: IoredisClient, user: string = SESSION_STORE): RedisLink {
  const isCluster = client.isCluster === true
  assertOptions(client.options, user)
  let wasReady = false

  /** As of node-redis: what a client queues while it is cut off is sent when nobody waits for it any more. */
  function assertReady(): void {
    if (client.status === 'ready') wasReady = true
    else if (wasReady && client.status !== 'wait') throw new Error('The client has lost its connection')
  }

  async function sendTogether(commands: readonly (readonly string[])[]) {
    const results = await client.pipeline(commands.map((args) => ['call', ...args])).exec()
    if (!results) throw new Error('The pipeline was aborted')
    return results.map(([error, result]) => {
      if (error) throw error
      return result
    }) as unknown as readonly [unknown, unknown]
  }

  return {
    isCluster,
    async send(_key, [command = '', ...args]) {
      assertReady()
      return client.call(command, ...args)
    },
    async sendPair(key, first, second) {
      assertReady()
      try {
        return await sendTogether([first, second])
      } catch (error) {
        if (!isCluster || !isRedirect(error)) throw error
        // Follows the redirection, and has the client learn from it where the slot is now.
        await client.call('EXISTS', key)
        return sendTogether([first, second])
      }
    },
  }
}

function assertOptions(options: object, user: string): void {
  const { keyPrefix, scaleReads } = options as { readonly keyPrefix?: unknown; readonly scaleReads?: unknown }
  if (keyPrefix) {
    throw new TypeError(
      `Cannot create a ${user} as the client has a keyPrefix, which invalidations would miss; ` +
        "leave it out and set the store's own prefix",
    )
  }
  if (scaleReads !== undefined && scaleReads !== 'master') {
    throw new TypeError(
      `Cannot create a ${user} as the client reads from replicas, which lag behind what is ` +
        "acknowledged; set scaleReads: 'master'",
    )
  }
}
