/**
 * Links over the clients of node-redis.
 *
 * @module
 */

import type { NodeRedisClient, NodeRedisCluster, NodeRedisSentinel, RedisLink } from './clients.ts'
import { turnsOf } from './sentinel-turns.ts'

/** Links a client of one server. */
export function linkNodeRedis(client: NodeRedisClient): RedisLink {
  const assertReady = createReadiness()

  return {
    isCluster: false,
    async send(_key, args) {
      assertReady(client)
      return client.sendCommand(args)
    },
    async sendPair(_key, first, second) {
      assertReady(client)
      return sendTogether(client, first, second)
    },
  }
}

/**
 * Links a cluster client.
 *
 * Commands go to the client of the node, and through the cluster client only when the node says that a slot has moved:
 * by itself it sends WAIT to every node, and queues what a dead one should do.
 */
export function linkNodeRedisCluster(cluster: NodeRedisCluster): RedisLink {
  const assertReady = createReadiness()

  async function nodeOf(key: string): Promise<NodeRedisClient> {
    const node = await cluster.getNodeClientForKey(key, false)
    assertReady(node)
    return node
  }

  return {
    isCluster: true,
    async send(key, args) {
      const node = await nodeOf(key)
      try {
        return await node.sendCommand(args)
      } catch (error) {
        if (!isRedirect(error)) throw error
        return cluster.sendCommand(key, false, args)
      }
    },
    async sendPair(key, first, second) {
      const attempt = async () => {
        return sendTogether(await nodeOf(key), first, second)
      }
      try {
        return await attempt()
      } catch (error) {
        if (!isRedirect(error)) throw error
        // Follows the redirection, and has the cluster client learn from it where the slot is now.
        await cluster.sendCommand(key, false, ['EXISTS', key])
        return attempt()
      }
    },
  }
}

/** Links a Sentinel client. It follows the primary by itself. */
export function linkNodeRedisSentinel(sentinel: NodeRedisSentinel): RedisLink {
  const takeTurn = turnsOf(sentinel)
  return {
    isCluster: false,
    send: (_key, args) => takeTurn(() => sentinel.sendCommand(false, args)),
    async sendPair(_key, first, second) {
      // Its commands may be sent again after a failover; as a pipeline they stay together then too.
      const pipeline = sentinel.multi()
      pipeline.addCommand(false, first)
      pipeline.addCommand(false, second)
      return (await takeTurn(() => pipeline.execAsPipeline())) as readonly [unknown, unknown]
    },
  }
}

/** Tells whether a cluster node sends the client elsewhere. It has then not executed the command. */
export function isRedirect(error: unknown): boolean {
  return error instanceof Error && /^(MOVED|ASK) /.test(error.message)
}

/** As a pipeline, as the connections of a pool would take one command each. */
async function sendTogether(
  client: NodeRedisClient,
  first: string[],
  second: string[],
): Promise<readonly [unknown, unknown]> {
  const pipeline = client.multi()
  pipeline.addCommand(first)
  pipeline.addCommand(second)
  return (await pipeline.execAsPipeline()) as readonly [unknown, unknown]
}

/**
 * Refuses to send by a client that has lost its connection. It would queue the commands, and send all those that
 * nobody waits for any more when the server is back.
 */
function createReadiness() {
  const seen = new WeakSet<NodeRedisClient>()
  return (client: NodeRedisClient): void => {
    if (client.isReady !== false) seen.add(client)
    else if (seen.has(client)) throw new Error('The client has lost its connection')
  }
}
