/**
 * The primaries that a client's sessions are on, and connections of one's own to them.
 *
 * @module
 */

import type { NodeRedisClient, NodeRedisCluster, NodeRedisSentinel } from './clients.ts'
import { readSlots } from './slots.ts'
import { type RedisTrackingClient, trackingOverrides } from './tracking.ts'

/** Where a node listens. */
export interface RedisNode {
  readonly host: string
  readonly port: number
}

/** A client of node-redis that a connection like its own can be had of. */
export interface DuplicableClient extends NodeRedisClient {
  readonly options?: object
  duplicate(overrides: object): RedisTrackingClient
}

/** Any client of node-redis that the feed can follow. */
export type RedisFeedClient =
  | DuplicableClient
  | (NodeRedisCluster & { getNodeClientForKey(key: string, isReadonly?: boolean): Promise<DuplicableClient> })
  | NodeRedisSentinel

/** Makes a client for a connection to a node, not connected yet. */
export type RedisConnect = (node: RedisNode) => RedisTrackingClient

/** A primary to listen to. */
export interface Primary {
  readonly client: RedisTrackingClient
  /** What a key begins with, below the prefix, that is on this primary. */
  readonly mark: string
  /** Tells, by what the primary answers to {@link probe}, whether it is still in its place. */
  readonly isInPlace: (answer: unknown) => boolean
  readonly probe: string[]
}

/**
 * Makes a function that finds the primaries.
 *
 * @throws {TypeError} when the client is none of node-redis, or a Sentinel client comes without `connect`.
 */
export function createFinder(
  client: RedisFeedClient,
  connect: RedisConnect | undefined,
): () => Promise<readonly Primary[]> {
  if ('call' in client && 'pipeline' in client) {
    throw new TypeError(
      'Cannot create a feed of Redis invalidations on a client of ioredis, which does not pass them on; give it one of ' +
        'node-redis. The store may stay on ioredis',
    )
  }
  if ('getNodeClientForKey' in client) return () => findClusterPrimaries(client, connect)
  if ('getMasterNode' in client) {
    if (connect) return () => findSentinelPrimary(client, connect)
    throw new TypeError(
      'Cannot create a feed of Redis invalidations on a Sentinel client without the option connect: ' +
        '({ host, port }) => createClient({ socket: { host, port }, RESP: 3, emitInvalidate: true })',
    )
  }
  if (typeof (client as Partial<DuplicableClient>).duplicate === 'function') {
    return async () => [{ client: duplicate(client), mark: '~', probe: ['PING'], isInPlace: () => true }]
  }
  throw new TypeError(
    'Cannot create a feed of Redis invalidations as the client is none of createClient(), createCluster() or ' +
      'createSentinel() of redis 6.1 or newer',
  )
}

type ClusterClient = Extract<RedisFeedClient, NodeRedisCluster>

/** Reconnecting is the feed's own business, as a connection must be tracked before it is relied on. */
function duplicate(client: DuplicableClient, node?: RedisNode): RedisTrackingClient {
  const { socket, url } = (client.options ?? {}) as { readonly socket?: object; readonly url?: string }
  return client.duplicate({
    ...trackingOverrides,
    ...(node ? { url: undefined } : { url }),
    socket: { ...socket, ...node, reconnectStrategy: false },
  })
}

async function findSentinelPrimary(
  sentinel: NodeRedisSentinel,
  connect: RedisConnect,
): Promise<readonly Primary[]> {
  const node = sentinel.getMasterNode() as RedisNode | undefined
  if (!node) throw new Error('The Sentinels know no primary')
  const isInPlace = () => {
    const now = sentinel.getMasterNode() as RedisNode | undefined
    return now?.host === node.host && now.port === node.port
  }
  return [{ client: connect(node), mark: '~', probe: ['PING'], isInPlace }]
}

/**
 * Asks the cluster itself: its client learns of a new primary only when a command of its own is sent to the wrong one. Each
 * primary must see the slots alike, and go on to.
 */
async function findClusterPrimaries(
  cluster: ClusterClient,
  connect: RedisConnect | undefined,
): Promise<readonly Primary[]> {
  const node = (await cluster.getNodeClientForKey('', false)) as DuplicableClient
  const { host = '127.0.0.1' } =
    (node.options as { readonly socket?: { readonly host?: string } })?.socket ?? {}
  const probe = ['CLUSTER', 'SLOTS']
  const { primaries, signature } = readSlots(await node.sendCommand(probe), host)
  return primaries.map(({ host, port, tag }) => ({
    client: connect ? connect({ host, port }) : duplicate(node, { host, port }),
    mark: `~{${tag}}`,
    probe,
    isInPlace: (answer) => readSlots(answer, host).signature === signature,
  }))
}
