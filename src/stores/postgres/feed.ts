/**
 * A feed of changed sessions over `LISTEN` and `NOTIFY`, which connects again by itself.
 *
 * @module
 */

import type { InvalidationFeed, InvalidationListener } from '../invalidations.ts'
import type { PostgresConnect } from '../postgres.ts'
import { StoreUnavailableError } from '../store.ts'
import { toUnavailable } from './errors.ts'
import { type Listener, openListener } from './listener.ts'
import type { PostgresNames } from './names.ts'
import { CHANGED, CHANGED_ALL, ECHO, ECHO_STATEMENT } from './notify.ts'
import { fromText } from '../plain-text.ts'

/** First and longest pause before a new attempt, in milliseconds. It doubles, with up to half of it by chance. */
const PAUSES = [50, 1_000] as const

/** How long an attempt to listen, or an echo, may take before the connection is given up, in milliseconds. */
const PATIENCE = 2_000

/** Creates a feed. */
export function createFeed(connect: PostgresConnect, names: PostgresNames): InvalidationFeed {
  return {
    name: 'postgres',
    subscribe(listener) {
      const link = createLink(connect, names, listener)
      return {
        async echo(nonce) {
          const rows = await link.run(ECHO_STATEMENT, [names.channel, `${ECHO}${nonce}`, names.table])
          if (rows.length === 0) throw unavailable(`table ${names.table} tells of no changes; call ${REMEDY}`)
        },
        async close() {
          link.close()
        },
      }
    },
  }
}

const REMEDY = 'migratePostgresStore(client, { notify: true })'

/** Keeps one connection that listens, and opens the next when it ends. */
function createLink(connect: PostgresConnect, names: PostgresNames, listener: InvalidationListener) {
  let current: Listener | undefined
  let listening = false
  let closed = false
  let cause: unknown
  let pause: number = PAUSES[0]
  let timer: NodeJS.Timeout | undefined

  function open(): void {
    const attempt = openListener(connect, names, {
      onMessage: (message) => attempt === current && tell(listener, message),
      onEnd: (reason) => end(attempt, reason),
    })
    current = attempt
    limit(attempt.ready).then(
      () => attempt === current && begin(),
      (error: unknown) => end(attempt, error),
    )
  }

  function begin(): void {
    listening = true
    pause = PAUSES[0]
    // What changed while nobody listened was not told.
    listener.changedAll()
  }

  /** A connection tells its end more than once: by the client, by what failed on it, by a timeout. */
  function end(ended: Listener, reason: unknown): void {
    if (ended !== current) return
    const wasListening = listening
    cause = toUnavailable(reason, names)
    current = undefined
    listening = false
    ended.end()
    if (wasListening) listener.broken()
    timer = setTimeout(open, pause * (1 + Math.random() / 2)).unref()
    pause = Math.min(pause * 2, PAUSES[1])
  }

  open()

  return {
    async run(text: string, parameters: readonly string[]) {
      const connection = current
      if (closed) throw unavailable('the feed is closed')
      if (!connection || !listening) throw unavailable('the feed is not connected; see the cause', cause)
      try {
        return await limit(connection.run(text, parameters))
      } catch (error) {
        end(connection, error)
        throw error
      }
    },
    close() {
      closed = true
      clearTimeout(timer)
      current?.end()
      current = undefined
    },
  }
}

function tell(listener: InvalidationListener, message: string): void {
  const body = message.slice(1)
  if (message.startsWith(CHANGED)) listener.changed(fromText(body))
  else if (message.startsWith(ECHO)) listener.echoed(body)
  else if (message === CHANGED_ALL) listener.changedAll()
}

/** A server that hangs answers nothing, and its connection looks as good as ever. */
async function limit<Result>(answer: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(unavailable(`the server gave no answer in ${PATIENCE} ms`)), PATIENCE)
  })
  try {
    return await Promise.race([answer, late])
  } finally {
    clearTimeout(timer)
  }
}

function unavailable(reason: string, cause?: unknown): StoreUnavailableError {
  return new StoreUnavailableError(
    `Cannot listen to PostgreSQL: ${reason}`,
    cause === undefined ? undefined : { cause },
  )
}
