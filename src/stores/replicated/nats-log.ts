/**
 * The log on a bucket of NATS JetStream KV.
 *
 * The bucket is one that the usual tools can read. Reading, writing and watching use the stream beneath it: the
 * client's own KV watch begins again by itself when it lost something, without telling, and a copy would miss what was
 * deleted meanwhile; its `get` may ask any replica.
 *
 * @module
 */

import { jetstream, JetStreamApiError, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream'
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node'
import { NO_DATA } from './codec.ts'
import type { LogEntry, LogValue, ReplicatedLog } from './log.ts'
import { type Bucket, openBucket } from './nats-bucket.ts'
import { META, REMOVAL, watchBucket } from './nats-watch.ts'

/** Options of {@link createNatsLog}. */
export interface NatsLogOptions {
  /**
   * Name of the bucket: letters, digits, `_` and `-`. It is made when there is none.
   *
   * @default 'coatcheck'
   */
  readonly bucket?: string
  /**
   * Copies that NATS itself keeps; a write is acknowledged when a majority has it. With 1, a server that dies takes the
   * sessions with it.
   *
   * @default 3
   */
  readonly replicas?: number
  /**
   * Age at which NATS drops what nobody wrote any more, in milliseconds: a net below the expiry of sessions. Keep it
   * longer than a session can live without being written.
   *
   * @default 3_024_000_000 (35 days)
   */
  readonly maxAge?: number
  /**
   * Longest wait for an answer, in milliseconds. Keep it below the deadline that the engine gives its store.
   *
   * @default 400
   */
  readonly timeout?: number
}

/** NATS' code for a compare-and-set that came too late. */
const WRONG_LAST_SEQUENCE = 10_071
const STREAM_NOT_FOUND = 10_059
const EXPECTED = 'Nats-Expected-Last-Subject-Sequence'
/**
 * The sequence is compared when the leader takes a message in, not when the cluster has agreed on it: of eight puts at
 * once for one revision 2.9.10 took more than one in 497 of 500 rounds. Messages of one id are told apart in the order
 * of the log itself, so the id says what is replaced: 0 of 500.
 */
const MESSAGE_ID = 'Nats-Msg-Id'

/**
 * Creates a log on a NATS connection. The application makes and closes the connection; {@link natsConnectionOptions}
 * has the settings that it should have.
 *
 * The bucket is made at the first use. A server whose version is older than 2.9.17 is warned of.
 *
 * @throws {RangeError} when an option is out of range.
 */
export function createNatsLog(connection: NatsConnection, options: NatsLogOptions = {}): ReplicatedLog {
  const { bucket: name = 'coatcheck', replicas = 3, maxAge = 35 * 86_400_000, timeout = 400 } = options
  checkOptions(name, replicas, maxAge, timeout)
  const client = jetstream(connection, { timeout })
  const prefix = `$KV.${name}.`
  const link = followLink(connection)
  let opening: Promise<Bucket> | undefined
  let managing: Promise<JetStreamManager> | undefined

  /** Without a connection requests would wait in the client's buffer, and be sent when nobody waits for them. */
  function checkLink(): void {
    if (connection.isClosed()) throw new Error('The NATS connection is closed; connect again')
    if (!link.isUp) throw new Error('The NATS connection is lost, and is being made again')
  }

  async function open(): Promise<Bucket> {
    checkLink()
    opening ??= openBucket(connection, { name, replicas, maxAge })
    return opening.catch((error: unknown) => {
      opening = undefined
      throw error
    })
  }

  function manage(): Promise<JetStreamManager> {
    managing ??= jetstreamManager(connection, { timeout, checkAPI: false })
    return managing
  }

  async function publish(key: string, value: LogValue, change: Change): Promise<number | undefined> {
    await open()
    checkLink()
    const head = headers()
    if (value.meta !== '') head.set(META, value.meta)
    if (change.removed) head.set(REMOVAL, 'DEL')
    const { revision, place = `${key}@${revision}` } = change
    if (revision !== undefined) {
      head.set(EXPECTED, String(revision))
      head.set(MESSAGE_ID, place)
    }
    const { seq, duplicate } = await client.publish(prefix + key, value.data, { headers: head, timeout })
    if (!duplicate) return seq
    // NATS remembers ids of entries that were purged since. Where there is none now, a put comes after that one.
    return revision === 0 ? publish(key, value, { ...change, place: `${key}@0@${seq}` }) : undefined
  }

  async function publishIfFirst(key: string, value: LogValue, change: Change): Promise<number | undefined> {
    try {
      return await publish(key, value, change)
    } catch (error) {
      if (error instanceof JetStreamApiError && error.code === WRONG_LAST_SEQUENCE) return undefined
      throw error
    }
  }

  /** What is published nobody answers; who asks is told. */
  function explainLoss(cause: unknown): never {
    if (!(cause instanceof JetStreamApiError) || cause.code !== STREAM_NOT_FOUND) throw cause
    opening = undefined
    throw new Error(`The bucket "${name}" was deleted; it is made again at the next use`, { cause })
  }

  return {
    name: 'nats',
    maxAge,
    async get(key) {
      const { stream } = await open()
      const manager = await manage()
      checkLink()
      const message = await manager.streams
        .getMessage(stream, { last_by_subj: prefix + key })
        .catch(explainLoss)
      if (!message) return undefined
      const { seq: revision, header, data, time } = message
      return { key, revision, at: time.getTime(), data, ...readHeader(header) }
    },
    put: (key, value, revision) => publishIfFirst(key, value, { revision, removed: false }),
    remove: (key, revision) => publishIfFirst(key, { meta: '', data: NO_DATA }, { revision, removed: true }),
    async append(key, value) {
      const revision = await publish(key, value, { removed: false })
      // Without an id nothing is a duplicate.
      if (revision === undefined) throw new Error('The log took a message for another one')
      return revision
    },
    async forget(revision) {
      const { stream } = await open()
      const manager = await manage()
      checkLink()
      await manager.streams.deleteMessage(stream, revision, false)
    },
    async watch(listener, { metaOnly }) {
      // The stream may have been deleted since it was opened: a watch always looks.
      opening = undefined
      const { stream } = await open()
      return watchBucket(
        connection,
        await manage(),
        { stream, prefix, metaOnly, onLost: (listener) => link.onLost(listener) },
        listener,
      )
    },
    traffic() {
      const { inMsgs, outMsgs, inBytes, outBytes } = connection.stats()
      return { messagesIn: inMsgs, messagesOut: outMsgs, bytesIn: inBytes, bytesOut: outBytes }
    },
  }
}

interface Change {
  /** Revision that is replaced; whatever is there when absent. */
  readonly revision?: number
  readonly removed: boolean
  /** What the change replaces, as all who replace the same call it. @default key and revision */
  readonly place?: string
}

function readHeader(header: MsgHdrs | undefined): Pick<LogEntry, 'meta' | 'removed'> {
  return { meta: header?.get(META) ?? '', removed: (header?.get(REMOVAL) ?? '') !== '' }
}

/** Follows whether the connection is up. It ends with the connection. */
function followLink(connection: NatsConnection) {
  const listeners = new Set<() => void>()
  let isUp = !connection.isClosed()

  async function follow(): Promise<void> {
    for await (const { type } of connection.status()) {
      if (type === 'disconnect' || type === 'staleConnection') isUp = false
      else if (type === 'reconnect') isUp = true
      if (type === 'disconnect') for (const listener of listeners) listener()
    }
  }

  follow().catch(() => undefined)
  return {
    get isUp() {
      return isUp
    },
    /** Registers a listener for the next losses; call the result to end it. */
    onLost(listener: () => void): () => void {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
  }
}

function checkOptions(bucket: string, replicas: number, maxAge: number, timeout: number): void {
  const refuse = (name: string, must: string, value: unknown) => {
    throw new RangeError(
      `Cannot create a NATS log as ${name} must ${must}: received ${JSON.stringify(value)}`,
    )
  }
  if (!/^[\w-]{1,64}$/.test(bucket)) refuse('bucket', 'be 1 to 64 letters, digits, _ or -', bucket)
  if (![1, 3, 5].includes(replicas)) refuse('replicas', 'be 1, 3 or 5', replicas)
  if (!(maxAge >= 60_000)) refuse('maxAge', 'be >= 60000', maxAge)
  if (!(timeout > 0)) refuse('timeout', 'be > 0', timeout)
}
