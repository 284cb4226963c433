/**
 * Events of the fleet over server-sent events, with a connection that comes back by itself and says when it is gone.
 *
 * @module
 */

import type { LabEvent } from '../../../fleet/protocol.ts'

/** Whether events arrive. */
export type Connection = 'connecting' | 'open' | 'lost'

/** The part of `EventSource` that is used. */
export interface EventSourceLike {
  addEventListener(type: string, listener: (event: { readonly data?: unknown }) => void): void
  close(): void
}

/** Options of {@link createEventStream}. */
export interface EventStreamOptions {
  /** Opens a connection. */
  readonly open: () => EventSourceLike
  readonly onEvent: (event: LabEvent) => void
  readonly onConnection: (connection: Connection) => void
  /** Calls back once after a delay, in milliseconds; returns what cancels it. */
  readonly schedule: (callback: () => void, delay: number) => () => void
  /**
   * Silence after which the connection counts as lost, in milliseconds. The fleet speaks each second.
   *
   * @default 5000
   */
  readonly silenceTimeout?: number
  /**
   * Pause before a new attempt, in milliseconds.
   *
   * @default 1000
   */
  readonly retryInterval?: number
}

const EVENT_TYPES: readonly LabEvent['type'][] = ['state', 'requests', 'notice']

/**
 * Opens the stream and keeps it open; returns the function that ends it.
 *
 * An `EventSource` gives up for good when an answer is not an event stream, for example while the server restarts
 * behind a proxy, and never notices a peer that hangs. So every failure and every silence opens a new one.
 */
export function createEventStream(options: EventStreamOptions): () => void {
  const { open, onEvent, onConnection, schedule, silenceTimeout = 5_000, retryInterval = 1_000 } = options
  let source: EventSourceLike | undefined
  let cancel = (): void => {}

  function connect(): void {
    const current = open()
    source = current
    cancel = schedule(lose, silenceTimeout)
    current.addEventListener('error', () => {
      if (source === current) lose()
    })
    for (const type of EVENT_TYPES) {
      current.addEventListener(type, ({ data }) => {
        if (source !== current || typeof data !== 'string') return
        cancel()
        cancel = schedule(lose, silenceTimeout)
        onConnection('open')
        onEvent(JSON.parse(data) as LabEvent)
      })
    }
  }

  function lose(): void {
    cancel()
    source?.close()
    source = undefined
    onConnection('lost')
    cancel = schedule(connect, retryInterval)
  }

  onConnection('connecting')
  connect()
  return () => {
    cancel()
    source?.close()
    source = undefined
  }
}
