/**
 * A connection on which a primary tells which sessions have changed.
 *
 * @module
 */

/** A connection of node-redis that is not open yet. With RESP 3 and `emitInvalidate`. */
export interface RedisTrackingClient {
  connect(): Promise<unknown>
  destroy(): void
  sendCommand(args: string[]): Promise<unknown>
  on(event: string, listener: (value: unknown) => void): unknown
}

/** Settings of node-redis that {@link openTracking} needs; the rest is as of the client that is duplicated. */
export const trackingOverrides = {
  RESP: 3,
  emitInvalidate: true,
  clientSideCache: undefined,
  disableOfflineQueue: true,
  commandOptions: { timeout: 0 },
} as const

/** What a tracked connection tells. */
export interface TrackingListener {
  /** A key below the prefix has changed; the prefix is cut off. */
  changed(rest: string): void
  /** Any key may have changed. */
  flushed(): void
  /** The connection is of no use any more. */
  lost(error: unknown): void
}

/** A connection that is tracked. */
export interface Tracking {
  /** Sends a command on this very connection. */
  send(...args: readonly string[]): Promise<unknown>
  close(): void
}

/** Longest wait for a connection and the first answers on it, in milliseconds. */
export const OPEN_TIMEOUT = 3_000

/**
 * Opens a connection and asks for every change below a prefix, on this same connection: one that redirects them to
 * another goes silent, and nobody is told, when the other is lost.
 *
 * @param client Closed when opening fails, and by `close`.
 */
export async function openTracking(
  client: RedisTrackingClient,
  prefix: string,
  listener: TrackingListener,
): Promise<Tracking> {
  let open = true

  function close(): void {
    open = false
    try {
      client.destroy()
    } catch {
      // It had closed by itself.
    }
  }

  const lost = (error: unknown) => {
    if (open) listener.lost(error)
  }
  const heard = (key: string) => {
    if (key.startsWith(prefix)) listener.changed(key.slice(prefix.length))
  }
  client.on('error', lost)
  // A client that connects again by itself is not tracked any more.
  client.on('reconnecting', () => lost(new Error('The connection was lost')))
  client.on('end', () => lost(new Error('The connection was closed')))
  client.on('invalidate', (key) => {
    if (!open) return
    if (key === null) listener.flushed()
    else heard((key as Buffer | string).toString())
  })
  try {
    await within(OPEN_TIMEOUT, establish())
  } catch (error) {
    close()
    throw error
  }
  return { send: (...args) => client.sendCommand([...args]), close }

  async function establish(): Promise<void> {
    await client.connect()
    // The client itself has asked for the keys that it reads; a server cannot change from these to all of a prefix.
    await client.sendCommand(['CLIENT', 'TRACKING', 'OFF'])
    await client.sendCommand(['CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', prefix])
  }
}

/** Waits for work, but not for longer than so many milliseconds. */
export async function within<T>(milliseconds: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const timeout = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`There was no answer in ${milliseconds} ms`)), milliseconds)
  })
  try {
    return await Promise.race([work, timeout])
  } finally {
    clearTimeout(timer)
  }
}
