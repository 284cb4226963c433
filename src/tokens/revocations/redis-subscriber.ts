/**
 * A connection that listens to one channel of Redis, with either client.
 *
 * @module
 */

import type { Connection } from './channel.ts'

/** What `duplicate()` of node-redis makes: a client, a cluster client or a Sentinel client. */
interface NodeRedisSubscriber {
  connect(): Promise<unknown>
  subscribe(channel: string, listener: (message: string) => void): Promise<unknown>
  destroy(): unknown
  on(event: string, listener: (...args: readonly unknown[]) => void): unknown
}

/** What `duplicate()` of ioredis makes. */
interface IoredisSubscriber {
  readonly status: string
  subscribe(channel: string): Promise<unknown>
  disconnect(): unknown
  on(event: string, listener: (...args: readonly unknown[]) => void): unknown
}

/** A client that listens. */
export type RedisSubscriber = NodeRedisSubscriber | IoredisSubscriber

/** A client of which a second one can be made. */
export interface DuplicableRedisClient {
  duplicate(): RedisSubscriber
}

/**
 * Opens it.
 *
 * The client is given up at the first sign of trouble: what it connects again by itself has missed something, and one
 * whose server is silently gone would wait for a quarter of an hour.
 */
export function openSubscriber(
  client: DuplicableRedisClient,
  channel: string,
  onMessage: (message: string) => void,
  onEnd: (reason: unknown) => void,
): Connection {
  const subscriber = client.duplicate()
  const close = () => onEnd(new Error('The connection was closed'))
  // Without a listener, an error would end the process.
  subscriber.on('error', onEnd)
  subscriber.on('end', close)
  if ('status' in subscriber) {
    subscriber.on('close', close)
    subscriber.on('message', (_channel, message) => onMessage(String(message)))
    return { ready: subscriber.subscribe(channel), end: () => quietly(() => subscriber.disconnect()) }
  }
  subscriber.on('reconnecting', close)
  const listen = async () => {
    await subscriber.connect()
    await subscriber.subscribe(channel, onMessage)
  }
  return { ready: listen(), end: () => quietly(() => subscriber.destroy()) }
}

function quietly(call: () => unknown): void {
  try {
    // A Sentinel client's destroy() is a promise.
    Promise.resolve(call()).catch(() => undefined)
  } catch {
    // It is to be gone, and it is.
  }
}
