/**
 * Listens to the primaries, and listens again whenever one is lost.
 *
 * @module
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { InvalidationListener, InvalidationSubscription } from '../invalidations.ts'
import { StoreUnavailableError } from '../store.ts'
import type { RedisLink } from './clients.ts'
import { toUnavailable } from './errors.ts'
import type { Primary } from './primaries.ts'
import { OPEN_TIMEOUT, openTracking, type Tracking, within } from './tracking.ts'

/** What {@link subscribe} needs. */
export interface SubscriptionContext {
  /** What the keys of records begin with. */
  readonly prefix: string
  readonly link: RedisLink
  readonly find: () => Promise<readonly Primary[]>
  readonly onError: (error: unknown) => void
}

interface Channel {
  readonly primary: Primary
  readonly tracking: Tracking
}

/** A nonce on its way: it has come back when each primary has told of it, and is still in its place. */
interface Echo {
  readonly sentAt: number
  readonly missing: Set<string>
}

/** Each nonce is one change that is told once, and leaves nothing behind that would expire and be told again. */
const ECHO = "redis.call('SET', KEYS[1], '') return redis.call('DEL', KEYS[1])"

/** A nonce that is away for so long tells that a connection has gone deaf, or leads to the wrong server; milliseconds. */
const DEAF_AFTER = 3_000
/** How long connections must last for a loss to be no failure to connect, in milliseconds. */
const STABLE_AFTER = 5_000
/** First and longest pause before listening again, in milliseconds. */
const PAUSES = [100, 1_000] as const

/** Listens until it is closed. */
export function subscribe(
  listener: InvalidationListener,
  { prefix, link, find, onError }: SubscriptionContext,
): InvalidationSubscription {
  const closing = new AbortController()
  const echoes = new Map<string, Echo>()
  let channels: readonly Channel[] = []
  let lose: (error: unknown) => void = () => undefined

  function arrive(nonce: string, part: string): void {
    const echo = echoes.get(nonce)
    if (!echo?.missing.delete(part) || echo.missing.size > 0) return
    echoes.delete(nonce)
    listener.echoed(nonce)
  }

  function hear(rest: string, { mark }: Primary): void {
    // An echo sorts behind all sessions, as keys that change in one moment are told in their order.
    if (rest.startsWith('{') && rest.endsWith('}')) listener.changed(rest.slice(1, -1))
    else if (rest.startsWith(mark)) arrive(rest.slice(mark.length), `heard ${mark}`)
  }

  function open(primary: Primary): Promise<Tracking> {
    return openTracking(primary.client, prefix, {
      changed: (rest) => hear(rest, primary),
      flushed: () => listener.changedAll(),
      lost: (error) => lose(error),
    })
  }

  /** Opens all connections, and rejects when one of them is lost. */
  async function listen(): Promise<never> {
    const primaries = await within(OPEN_TIMEOUT, find())
    const opened = new Set<Tracking>()
    let ended = false
    try {
      return await new Promise<never>((_, reject) => {
        lose = reject
        const opening = primaries.map(async (primary) => {
          const tracking = await open(primary)
          if (ended) tracking.close()
          opened.add(tracking)
          return { primary, tracking }
        })
        Promise.all(opening).then((all) => {
          if (!ended) channels = all
        }, reject)
      })
    } finally {
      ended = true
      for (const tracking of opened) tracking.close()
      const wasListening = channels.length > 0
      channels = []
      echoes.clear()
      if (wasListening && !closing.signal.aborted) listener.broken()
    }
  }

  async function run(): Promise<void> {
    let pause: number = PAUSES[0]
    while (!closing.signal.aborted) {
      const startedAt = performance.now()
      await listen().catch((error: unknown) => {
        if (!closing.signal.aborted) onError(error)
      })
      if (performance.now() - startedAt > STABLE_AFTER) pause = PAUSES[0]
      // All servers lose their connections at the same moment, and should not all come back in one.
      const wait = pause * (0.5 + Math.random())
      await delay(wait, undefined, { signal: closing.signal, ref: false }).catch(() => undefined)
      pause = Math.min(pause * 2, PAUSES[1])
    }
  }

  /** Has the primary change a key that it then tells of, and makes sure that it is the primary still. */
  async function probe(nonce: string, { primary, tracking }: Channel): Promise<void> {
    const { mark, probe, isInPlace } = primary
    const key = `${prefix}${mark}${nonce}`
    const [, answer] = await Promise.all([link.send(key, ['EVAL', ECHO, '1', key]), tracking.send(...probe)])
    if (isInPlace(answer)) arrive(nonce, `placed ${mark}`)
    else lose(new Error('The sessions are on other primaries now'))
  }

  const running = run()

  return {
    async echo(nonce) {
      if (channels.length === 0) {
        throw new StoreUnavailableError(
          'Cannot prove that Redis tells of changes: there is no connection yet',
        )
      }
      const sentAt = performance.now()
      const [oldest] = echoes.values()
      if (oldest && sentAt - oldest.sentAt > DEAF_AFTER) lose(new Error('Changes were not told any more'))
      const marks = channels.map(({ primary }) => primary.mark)
      const missing = new Set(marks.flatMap((mark) => [`heard ${mark}`, `placed ${mark}`]))
      echoes.set(nonce, { sentAt, missing })
      try {
        await Promise.all(channels.map((channel) => probe(nonce, channel)))
      } catch (error) {
        throw toUnavailable(error)
      }
    },

    async close() {
      closing.abort()
      lose(new Error('The subscription was closed'))
      await running
    },
  }
}
