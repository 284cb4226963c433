/**
 * Finds the session of a request: which of its cookies counts, and whether its use has to be recorded.
 *
 * @module
 */

import { StoreUnavailableError } from '../stores/store.ts'
import type { EngineParts, Resolution } from './engine.ts'
import type { HttpExchange } from './exchange.ts'
import { isSessionId } from './id.ts'
import type { Snapshot } from './record.ts'
import { Session } from './session.ts'
import type { Origin, SessionHost } from './state.ts'

/** What a request gets when the store gives no answer. */
export type OutagePolicy = 'fail' | 'anonymous'

/** Options of `load`. */
export interface LoadOptions {
  /** What this route does when the store gives no answer. @default the manager's */
  readonly outage?: OutagePolicy
}

/** A loaded session and how its request's cookie was understood. */
export interface Loaded<Data extends object> {
  readonly session: Session<Data>
  readonly origin: Origin
}

/** Loads sessions. */
export interface Loader<Data extends object> {
  load(exchange: HttpExchange, options?: LoadOptions): Promise<Loaded<Data>>
}

/** What a loader needs beside the engine's parts. */
export interface LoaderOptions {
  readonly host: SessionHost
  readonly outage: OutagePolicy
  /** Age of an id at which it is replaced, in milliseconds. */
  readonly regenerateInterval: number
}

/** More cookies of one name than this are not asked for: each costs the store a read. */
const MAX_COOKIES = 4

/** Creates the loader of one manager. */
export function createLoader<Data extends object>(parts: EngineParts, options: LoaderOptions): Loader<Data> {
  const { store, clock, lifetime } = parts
  const { host, regenerateInterval } = options
  const loading = new WeakMap<HttpExchange, Promise<Loaded<Data>>>()
  const touching = new Set<string>()

  async function load(exchange: HttpExchange, outage: OutagePolicy): Promise<Loaded<Data>> {
    const origin = await findOrigin(exchange, outage)
    const session = new Session<Data>(host, exchange, origin)
    if (origin.kind === 'session') {
      const { snapshot } = origin.owned
      touchWhenDue(snapshot)
      if (isOld(snapshot) && !exchange.headersSent) await regenerate(session)
    }
    return { session, origin }
  }

  async function findOrigin(exchange: HttpExchange, outage: OutagePolicy): Promise<Origin> {
    const cookies = host.cookies.read(exchange)
    if (cookies.length === 0) return { kind: 'stranger', reason: 'no cookie' }
    try {
      await clock.sync()
      return await firstValid(cookies)
    } catch (error) {
      if (outage === 'fail' || !(error instanceof StoreUnavailableError)) throw error
      return { kind: 'unavailable', error }
    }
  }

  /** Cookies of one name may come from several paths and domains, in an order that says nothing (RFC 6265 §4.2.2). */
  async function firstValid(cookies: readonly string[]): Promise<Origin> {
    let best: Exclude<Resolution, { kind: 'session' }> | undefined
    for (const id of cookies.slice(0, MAX_COOKIES)) {
      if (!isSessionId(id)) continue
      const found = await host.engine.resolve(id)
      if (found.kind === 'session') {
        return { kind: 'session', owned: found, moved: found.id !== id, strays: cookies.length > 1 }
      }
      if (!best || found.kind === 'superseded') best = found
    }
    if (best?.kind === 'superseded') return best
    return { kind: 'stranger', reason: best?.kind ?? 'malformed' }
  }

  /** Records a use now and then; the answer does not wait for it. */
  function touchWhenDue({ key, lastSeenAt, createdAt, remembered }: Snapshot): void {
    const now = clock.now()
    if (now - lastSeenAt < lifetime.touchInterval || touching.has(key)) return
    touching.add(key)
    store
      .touch(key, now, lifetime.expiresAt(createdAt, now, remembered))
      // A later request tries again; the guard has told of the trouble.
      .catch(() => undefined)
      .finally(() => touching.delete(key))
  }

  function isOld({ createdAt, regeneratedAt }: Snapshot): boolean {
    return clock.now() - (regeneratedAt ?? createdAt) >= regenerateInterval
  }

  async function regenerate(session: Session<Data>): Promise<void> {
    try {
      await session.regenerate()
    } catch (error) {
      // It was read, so the request can go on with the old id; the next one tries again.
      if (!(error instanceof StoreUnavailableError)) throw error
    }
  }

  return {
    load(exchange, { outage = options.outage } = {}) {
      const known = loading.get(exchange)
      if (known) return known
      const started = load(exchange, outage)
      loading.set(exchange, started)
      // A route may try again with another policy.
      started.catch(() => loading.delete(exchange))
      return started
    },
  }
}
