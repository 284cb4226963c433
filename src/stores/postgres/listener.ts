/**
 * One connection that listens, with either client.
 *
 * @module
 */

import type { PgListener, PostgresConnect, PostgresJsListener, PostgresListenOptions } from '../postgres.ts'
import type { PostgresNames } from './names.ts'
import { createRunner, type RunStatement } from './run.ts'

/** A connection that is listening, or about to. */
export interface Listener {
  /** Resolves once it is listening. */
  readonly ready: Promise<void>
  /** Runs a statement on this very connection. */
  readonly run: RunStatement
  /** Ends it, even while the server gives no answer. */
  end(): void
}

/** What a connection tells. */
export interface ListenerEvents {
  readonly onMessage: (message: string) => void
  /** It has ended, for whatever reason. */
  readonly onEnd: (reason: unknown) => void
}

/** Longest wait for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 2_000

/** Opens a connection and begins to listen. */
export function openListener(
  connect: PostgresConnect,
  names: PostgresNames,
  { onMessage, onEnd }: ListenerEvents,
): Listener {
  try {
    const client = connect(listenOptions(onMessage, onEnd))
    const run = createRunner(client, names, { prepare: true, queryTimeout: 0 })
    const listen = async () => {
      if (!('unsafe' in client)) await connectPg(client, onMessage, onEnd)
      await run(`LISTEN "${names.channel}"`)
    }
    return { ready: listen(), run, end: () => void endClient(client) }
  } catch (error) {
    return { ready: Promise.reject(error), run: () => Promise.reject(error), end: () => undefined }
  }
}

/** `postgres` is told of notifications and closed connections when it is made. Its own `listen` hides the latter. */
function listenOptions(
  onMessage: (message: string) => void,
  onEnd: (reason: unknown) => void,
): PostgresListenOptions {
  return {
    max: 1,
    connect_timeout: CONNECT_TIMEOUT / 1_000,
    idle_timeout: 0,
    max_lifetime: null,
    fetch_types: false,
    onnotify: (_channel, payload) => onMessage(payload),
    onclose: () => onEnd(new Error('The connection was closed')),
  }
}

async function connectPg(
  client: PgListener,
  onMessage: (message: string) => void,
  onEnd: (reason: unknown) => void,
): Promise<void> {
  client.on('notification', ({ payload }) => onMessage(payload ?? ''))
  client.on('error', onEnd)
  client.on('end', () => onEnd(new Error('The connection was closed')))
  await client.connect()
}

async function endClient(client: PgListener | PostgresJsListener): Promise<void> {
  try {
    await client.end({ timeout: 0 })
  } catch {
    // It is to be gone, and it is.
  }
}
