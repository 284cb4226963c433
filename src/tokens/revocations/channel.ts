/**
 * One connection that listens, and another one whenever it is lost.
 *
 * @module
 */

import { StoreUnavailableError } from '../../stores/store.ts'

/** A connection that is listening, or about to. */
export interface Connection {
  /** Resolves once it is listening. */
  readonly ready: Promise<unknown>
  /** Ends it, even while the server gives no answer. */
  end(): void
}

/** Keeps a connection. */
export interface Channel<Kind extends Connection> {
  /** The connection that is listening. @throws {StoreUnavailableError} when there is none. */
  current(): Kind
  close(): void
}

/** What a connection is made with. */
export interface ConnectionEvents {
  /** Whether what it tells still counts. */
  readonly isCurrent: () => boolean
  /** To be called when it has ended, for whatever reason, once or more. */
  readonly onEnd: (reason: unknown) => void
}

/** First and longest pause before a new attempt, in milliseconds. It doubles, with up to half of it by chance. */
const SHORTEST_PAUSE = 50
const LONGEST_PAUSE = 1_000
/** How long an attempt may take, in milliseconds. */
const PATIENCE = 2_000

/**
 * Opens a connection, and opens the next one when it ends.
 *
 * @param onReady Called each time one is listening: what was told while none was is lost.
 */
export function keepConnected<Kind extends Connection>(
  name: string,
  open: (events: ConnectionEvents) => Kind,
  onReady: () => void,
): Channel<Kind> {
  let current: Kind | undefined
  let isListening = false
  let closed = false
  let cause: unknown
  let pause = SHORTEST_PAUSE
  let timer: NodeJS.Timeout | undefined

  function attempt(): void {
    let ended = false
    const onEnd = (reason: unknown): void => {
      if (ended || closed) return
      ended = true
      clearTimeout(deadline)
      cause = reason
      if (connection !== undefined) connection.end()
      current = undefined
      isListening = false
      timer = setTimeout(attempt, pause * (1 + Math.random() / 2)).unref()
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    }
    const deadline = setTimeout(
      () => onEnd(new Error(`It did not listen within ${PATIENCE} ms`)),
      PATIENCE,
    ).unref()
    let connection: Kind | undefined
    try {
      connection = open({ isCurrent: () => !ended && !closed, onEnd })
    } catch (error) {
      onEnd(error)
      return
    }
    current = connection
    connection.ready.then(() => {
      if (ended || closed) return
      clearTimeout(deadline)
      isListening = true
      pause = SHORTEST_PAUSE
      onReady()
    }, onEnd)
  }

  attempt()

  return {
    current() {
      if (current && isListening) return current
      throw new StoreUnavailableError(`Cannot listen to ${name} as the connection is lost; see the cause`, {
        cause,
      })
    },
    close() {
      closed = true
      clearTimeout(timer)
      current?.end()
    },
  }
}
