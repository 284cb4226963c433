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
  /** Runs a statement, by which a message that it sends comes back only where those of other servers come. */
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

type ListeningClient = PgListener | PostgresJsListener

/** Longest wait for a connection, in milliseconds. */
const CONNECT_TIMEOUT = 2_000

/**
 * Opens a connection and begins to listen.
 *
 * Behind a pooler it opens another one, to send by. In transaction mode a server gives a client what it tells within the client's own
 * transactions and nothing else: a message of one's own would come back, and prove that others do.
 */
export function openListener(
  connect: PostgresConnect,
  names: PostgresNames,
  { onMessage, onEnd }: ListenerEvents,
): Listener {
  const clients: ListeningClient[] = []
  let hasEnded = false
  let sender: RunStatement | undefined

  async function open(hear: (message: string) => void): Promise<ListeningClient> {
    const client = connect(listenOptions(hear, onEnd))
    clients.push(client)
    if (!('unsafe' in client)) await connectPg(client, hear, onEnd)
    if (hasEnded) void endClient(client)
    return client
  }

  async function listen(): Promise<void> {
    const client = await open(onMessage)
    const run = createRunner(client, names, { prepare: true, queryTimeout: 0 })
    const send = (await isPooled(client))
      ? createRunner(await open(() => undefined), names, { prepare: false, queryTimeout: 0 })
      : run
    await run(`LISTEN "${names.channel}"`)
    sender = send
  }

  return {
    ready: listen(),
    run: (text, parameters) =>
      sender ? sender(text, parameters) : Promise.reject(new Error('The connection is not listening yet')),
    end() {
      hasEnded = true
      for (const client of clients) void endClient(client)
    },
  }
}

/** Whether the process that answers is another one than the client was told of when it connected. */
async function isPooled(client: ListeningClient): Promise<boolean> {
  const question = 'SELECT pg_backend_pid()'
  if ('unsafe' in client) {
    const rows = await client.unsafe(question, [], { prepare: false }).values()
    const { state } = rows as { readonly state?: { readonly pid?: number } }
    return Number(rows[0]?.[0]) !== state?.pid
  }
  const { rows } = await client.query({ text: question, values: [], rowMode: 'array', query_timeout: 0 })
  return Number(rows[0]?.[0]) !== (client as { readonly processID?: number }).processID
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

async function endClient(client: ListeningClient): Promise<void> {
  try {
    await client.end({ timeout: 0 })
  } catch {
    // It is to be gone, and it is.
  }
}
