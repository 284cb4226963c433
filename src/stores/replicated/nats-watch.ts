/**
 * A watch on a bucket that says when it lost something: a push consumer whose deliveries are counted.
 *
 * @module
 */

import { AckPolicy, DeliverPolicy, type JetStreamManager, ReplayPolicy } from '@nats-io/jetstream'
import { createInbox, type Msg, type NatsConnection, type Subscription } from '@nats-io/transport-node'
import { NO_DATA } from './codec.ts'
import type { LogListener, LogWatch } from './log.ts'

/** Header with the short text of an entry. */
export const META = 'Coatcheck'
/** Header of a removal, as all KV clients know it. */
export const REMOVAL = 'KV-Operation'

/** Where to watch, and how. */
export interface WatchSettings {
  readonly stream: string
  /** Beginning of the subjects of the bucket. */
  readonly prefix: string
  /** Leaves the data out. */
  readonly metaOnly: boolean
  /** Registers a listener for the loss of the connection. */
  readonly onLost: (listener: () => void) => () => void
}

const NANOSECONDS = 1_000_000
const IDLE_HEARTBEAT = 1_000 * NANOSECONDS
/** After this time without anybody listening, the server drops the consumer. */
const INACTIVE_THRESHOLD = 10_000 * NANOSECONDS

/** Begins to watch. Rejects when there is no consumer to be had. */
export async function watchBucket(
  connection: NatsConnection,
  manager: JetStreamManager,
  settings: WatchSettings,
  listener: LogListener,
): Promise<LogWatch> {
  const { stream, prefix, metaOnly, onLost } = settings
  const inbox = createInbox()
  let deliveries = 0
  let subscription: Subscription | undefined = connection.subscribe(inbox, { callback: receive })
  // What was delivered while there was no connection is lost.
  const endLost = onLost(() => end(new Error('The connection was lost')))

  function stop(): boolean {
    if (!subscription) return false
    if (!connection.isClosed()) subscription.unsubscribe()
    subscription = undefined
    endLost()
    return true
  }

  function end(reason: unknown): void {
    if (stop()) listener.broken(reason)
  }

  function receive(error: Error | null, message: Msg): void {
    if (error) return end(error)
    if (message.headers && message.headers.code >= 100) return control(message)
    const place = parsePlace(message.reply)
    if (!place) return
    deliveries += 1
    if (place.delivery !== deliveries) return end(new Error('The watch has lost entries'))
    listener.changed({
      key: message.subject.slice(prefix.length),
      revision: place.revision,
      at: place.at,
      meta: message.headers?.get(META) ?? '',
      removed: (message.headers?.get(REMOVAL) ?? '') !== '',
      data: metaOnly ? NO_DATA : message.data,
    })
  }

  /** The server wants to know how far we have got, or whether we are still here. */
  function control(message: Msg): void {
    const { headers } = message
    if (headers?.code !== 100) return end(new Error('The server has ended the watch'))
    const stalled = headers.get('Nats-Consumer-Stalled')
    if (stalled !== '') connection.publish(stalled)
    else if (message.reply) message.respond()
    const last = headers.get('Nats-Last-Consumer')
    if (last !== '' && Number(last) !== deliveries) end(new Error('The watch has lost entries'))
  }

  try {
    const { name } = await manager.consumers.add(stream, {
      deliver_subject: inbox,
      // With a history of one, all entries are the newest of their keys.
      deliver_policy: DeliverPolicy.All,
      filter_subject: `${prefix}>`,
      ack_policy: AckPolicy.None,
      replay_policy: ReplayPolicy.Instant,
      max_deliver: 1,
      headers_only: metaOnly,
      flow_control: true,
      idle_heartbeat: IDLE_HEARTBEAT,
      inactive_threshold: INACTIVE_THRESHOLD,
      num_replicas: 1,
      mem_storage: true,
    })
    return {
      stop() {
        // A server that does not hear of it drops the consumer by itself.
        if (stop()) manager.consumers.delete(stream, name).catch(() => undefined)
      },
    }
  } catch (error) {
    stop()
    throw error
  }
}

interface Place {
  readonly revision: number
  readonly delivery: number
  readonly at: number
}

/** `$JS.ACK.<stream>.<consumer>.<deliveries>.<revision>.<delivery>.<time>.<pending>`, or with domain and account. */
function parsePlace(reply: string | undefined): Place | undefined {
  const tokens = reply?.split('.') ?? []
  const first = tokens.length === 9 ? 5 : 7
  if (tokens[0] !== '$JS' || tokens[1] !== 'ACK' || tokens.length < 9) return undefined
  const [revision = 0, delivery = 0, at = 0] = tokens.slice(first, first + 3).map(Number)
  return { revision, delivery, at: at / NANOSECONDS }
}
