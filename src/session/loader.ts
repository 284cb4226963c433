/**
 * Finds the session of a request: which of its cookies counts, and whether its use has to be recorded.
 *
 * @module
 */

import { StoreUnavailableError } from '../stores/store.ts'
import type { CookieClaim, CookieValues } from './cookie-value.ts'
import type { EngineParts, OwnedSession, Resolution } from './engine.ts'
import type { HttpExchange } from './exchange.ts'
import type { Origin, SessionHost } from './host.ts'
import type { Snapshot } from './record.ts'
import { originOf, Session } from './session.ts'

/** What a request gets when the store gives no answer. */
export type OutagePolicy = 'fail' | 'anonymous' | 'stale'

/** Options of `load`. */
export interface LoadOptions {
  /** What this route does when the store gives no answer. @default the manager's */
  readonly outage?: OutagePolicy
}

/** Loads sessions, once for each request. */
export interface Loader<Data extends object> {
  load(exchange: HttpExchange, options?: LoadOptions): Promise<Session<Data>>
}

/** What a loader needs of an engine's parts. */
export interface LoaderParts extends Pick<EngineParts, 'clock' | 'lifetime'> {
  readonly store: Pick<EngineParts['store'], 'name' | 'touch' | 'copies'>
}

/** What a loader needs beside. */
export interface LoaderOptions {
  readonly host: SessionHost
  readonly values: CookieValues
  readonly outage: OutagePolicy
  /** Age of an id at which it is replaced, in milliseconds. */
  readonly regenerateInterval: number
}

/** More cookies of one name than this are not asked for: each costs the store a read. */
const MAX_COOKIES = 4

/** Creates the loader of one manager. */
export function createLoader<Data extends object>(parts: LoaderParts, options: LoaderOptions): Loader<Data> {
  const { store, clock, lifetime } = parts
  const { host, values, regenerateInterval } = options
  const touching = new Set<string>()
  // A property costs a request nothing, where an entry of a WeakMap costs the garbage collector dearly.
  const loaded = Symbol('coatcheck session')

  /**
   * Cookies of one name may come from several paths and domains, in an order that says nothing (RFC 6265 §4.2.2).
   *
   * One async function for all of it: each costs every request some promises.
   */
  async function load(
    exchange: LoadedExchange,
    cookies: readonly string[],
    outage: OutagePolicy,
  ): Promise<Session<Data>> {
    const claims = claimsOf(cookies)
    try {
      const sync = clock.sync()
      if (sync) await sync
      let best: Exclude<Resolution, { kind: 'session' }> | undefined
      for (const claim of claims) {
        const resolving = host.engine.resolve(claim.id, claim)
        const found = resolving instanceof Promise ? await resolving : resolving
        if (found.kind === 'session') {
          const moved = found.id !== claim.id
          const session = open(exchange, { kind: 'session', owned: found, moved, strays: cookies.length > 1 })
          const now = clock.now()
          touchWhenDue(found.snapshot, now)
          if (isOld(found.snapshot, now) && !exchange.headersSent) await regenerate(session)
          return session
        }
        if (!best || found.kind === 'superseded') best = found
      }
      if (best?.kind === 'superseded') return open(exchange, best)
      return open(exchange, { kind: 'stranger', reason: best?.kind ?? 'malformed' })
    } catch (error) {
      const origin = error instanceof StoreUnavailableError && getBy(error, outage, claims)
      if (origin) return open(exchange, origin)
      // A route may try again with another policy.
      exchange[loaded] = undefined
      throw error
    }
  }

  interface LoadedExchange extends HttpExchange {
    [loaded]?: Promise<Session<Data>> | undefined
  }

  function open(exchange: HttpExchange, origin: Origin): Session<Data> {
    return new Session<Data>(host, exchange, origin)
  }

  /** What is no id costs the store nothing, and must not hide one that is. */
  function claimsOf(cookies: readonly string[]): readonly CookieClaim[] {
    const claims: CookieClaim[] = []
    for (const value of cookies) {
      const claim = values.decode(value)
      if (claim && claims.length < MAX_COOKIES) claims.push(claim)
    }
    return claims
  }

  /** How a request goes on whose store gives no answer; `undefined` when it does not. */
  function getBy(
    error: StoreUnavailableError,
    outage: OutagePolicy,
    claims: readonly CookieClaim[],
  ): Origin | undefined {
    if (outage === 'anonymous') return { kind: 'unavailable', error }
    const owned = outage === 'stale' ? recall(claims) : undefined
    return owned && { kind: 'session', owned, moved: false, strays: false, outage: error }
  }

  /** Changes to such a session fail as they must; the store has to take them. */
  function recall(claims: readonly CookieClaim[]): OwnedSession | undefined {
    for (const { id } of claims) {
      const owned = host.engine.recall(id)
      if (owned) return owned
    }
    return undefined
  }

  /** Records a use now and then; the answer does not wait for it. */
  function touchWhenDue({ key, lastSeenAt, createdAt, remembered }: Snapshot, now: number): void {
    if (now - lastSeenAt < lifetime.touchInterval || touching.has(key)) return
    touching.add(key)
    store
      .touch(key, now, lifetime.expiresAt(createdAt, now, remembered))
      // A later request tries again; the guard has told of the trouble.
      .catch(() => undefined)
      .finally(() => touching.delete(key))
  }

  function isOld({ createdAt, regeneratedAt }: Snapshot, now: number): boolean {
    return now - (regeneratedAt ?? createdAt) >= regenerateInterval
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
    load(exchange: LoadedExchange, { outage = options.outage } = {}) {
      if (outage === 'stale' && !store.copies) return Promise.reject(noCopies(store.name))
      const known = exchange[loaded]
      // A stricter policy than the one that it was loaded with still counts.
      if (known)
        return outage === 'anonymous' ? known : known.then((session) => expectStored(session, outage))
      const cookies = host.cookies.read(exchange)
      const session =
        cookies.length === 0
          ? Promise.resolve(open(exchange, { kind: 'stranger', reason: 'no cookie' }))
          : load(exchange, cookies, outage)
      exchange[loaded] = session
      return session
    },
  }
}

/** The refusal of an outage policy that the store cannot serve. */
export function noCopies(name: string): TypeError {
  return new TypeError(
    `Cannot use the outage policy 'stale' as the ${name} store keeps no copies: put createNearCache before it`,
  )
}

function expectStored<Data extends object>(session: Session<Data>, outage: 'fail' | 'stale'): Session<Data> {
  const origin = originOf(session)
  if (origin.kind === 'unavailable') throw origin.error
  if (origin.kind === 'session' && origin.outage && outage === 'fail') throw origin.outage
  return session
}
