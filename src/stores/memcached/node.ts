/**
 * One memcached server of the list: connected as long as it can be, refused at once while it cannot.
 *
 * @module
 */

import { connect, type Socket } from 'node:net'
import type { MemcachedNode } from '../memcached.ts'
import { StoreUnavailableError } from '../store.ts'
import { type Connection, createConnection } from './connection.ts'

/** A node with what its owner does with it. */
export interface OpenNode extends MemcachedNode {
  close(): void
}

/** Settings of {@link createNode}. */
export interface NodeSettings {
  readonly commandTimeout: number
  readonly connectTimeout: number
  readonly maxReconnectDelay: number
  readonly maxPending: number
  readonly maxBuffered: number
  readonly credentials: { readonly username: string; readonly password: string } | undefined
  readonly random: () => number
}

/** Delay before the first attempt to connect again, in milliseconds; it doubles with each that fails. */
const FIRST_DELAY = 50

const NOTHING: ReadonlyMap<string, string> = new Map()

/** Creates a node and connects it. */
export function createNode(
  { host, port }: { readonly host: string; readonly port: number },
  settings: NodeSettings,
): OpenNode {
  const { commandTimeout, connectTimeout, maxReconnectDelay, maxPending, maxBuffered, random } = settings
  const name = host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
  let ready: Connection | undefined
  let facts = NOTHING
  let away: Error | undefined
  let waiting = 0
  let closed = false
  let attempt: Socket | undefined
  let timer: NodeJS.Timeout | undefined
  let failures = 0
  const firstAttempt = open()

  /** Connects and asks the server what it is: a server that is paused is connected to by its kernel, and says nothing. */
  async function open(): Promise<void> {
    const socket = connect({ host, port, keepAlive: true })
    attempt = socket
    let connection: Connection | undefined
    let failed: Error | undefined
    const patience = setTimeout(
      () => socket.destroy(new Error(`It did not answer within ${connectTimeout} ms`)),
      connectTimeout,
    )
    try {
      await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
      connection = createConnection(socket, { commandTimeout, maxPending, maxBuffered, onEnd: leave })
      facts = await introduce(connection)
      ready = closed ? undefined : connection
      away = undefined
      failures = 0
    } catch (error) {
      failed = error as Error
    } finally {
      clearTimeout(patience)
      if (failed) {
        socket.destroy()
        leave(failed)
      }
    }

    function leave(reason: Error): void {
      if (attempt !== socket) return
      attempt = ready = undefined
      away = reason
      if (!closed) retry()
    }
  }

  /** Waits with the next attempt at random, so that the servers of a fleet do not all come at once. */
  function retry(): void {
    const delay = Math.min(FIRST_DELAY * 2 ** failures++, maxReconnectDelay)
    timer = setTimeout(() => void open(), delay * (0.5 + random() / 2))
  }

  async function introduce(connection: Connection): Promise<ReadonlyMap<string, string>> {
    const { credentials } = settings
    if (credentials) {
      const secret = `${credentials.username} ${credentials.password}`
      const { status } = await connection.line(
        `set auth 0 0 ${Buffer.byteLength(secret)}\r\n${Buffer.from(secret).toString('latin1')}`,
      )
      if (status !== 'STORED') throw new Error('It refused the credentials')
    }
    const [server, options] = await Promise.all([
      connection.list('stats'),
      connection.list('stats settings'),
      connection.line('mn'),
    ])
    // Both have `evictions`: a number in the one, `on` or `off` in the other, which is the one that lasts.
    return new Map([...server, ...options])
  }

  async function use<Result>(call: (connection: Connection) => Promise<Result>): Promise<Result> {
    try {
      if (!ready && !away) await waitForFirst()
      if (!ready)
        throw closed ? new Error('The client is closed') : (away ?? new Error('It is not connected'))
      return await call(ready)
    } catch (error) {
      throw new StoreUnavailableError(`Cannot use memcached at ${name}: ${explain(error as Error)}`, {
        cause: error,
      })
    }
  }

  /** Only at the start: a program need not wait for its connections before it serves. */
  async function waitForFirst(): Promise<void> {
    if (waiting >= maxPending) throw new Error('Too many commands wait for its answers')
    waiting++
    await firstAttempt
    waiting--
  }

  return {
    name,
    get reachable() {
      return ready !== undefined
    },
    get facts() {
      return facts
    },
    meta: (command, value) => use((connection) => connection.meta(command, value)),
    stats: () => use((connection) => connection.list('stats')),
    close() {
      closed = true
      clearTimeout(timer)
      const reason = new Error('The client is closed')
      away = reason
      const [connection, socket] = [ready, attempt]
      attempt = ready = undefined
      connection?.end(reason)
      socket?.destroy(reason)
    },
  }
}

/** What an operator does about a reason, in words that hold neither keys nor data. */
function explain({ message }: Error): string {
  if (/out of memory/i.test(message)) {
    return 'its memory is full and it may not drop anything; give it more (-m) or start it without -M'
  }
  if (/too large/i.test(message)) return 'a session is larger than its items may be; start it with -I 2m'
  if (/authenticat|credentials/.test(message)) {
    return 'it wants other credentials; give createMemcachedClient() those of its file (-Y)'
  }
  if (/does not understand|another command|nobody asked/.test(message)) {
    return 'it does not speak as memcached does; check that it is memcached 1.6.12 or newer, and that no proxy stands before it'
  }
  if (/closed the connection/.test(message)) {
    return 'it closed the connection; check that it runs, with connections to spare (-c) and the text protocol (no -S, no -B binary)'
  }
  if (message === 'The client is closed') return 'the client is closed; create another'
  return 'it gives no answer; check that it runs and can be reached, and see the cause'
}
