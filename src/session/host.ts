/**
 * What a request's session is made from, and what it asks of its manager.
 *
 * @module
 */

import type { Attributes, Change } from './attributes.ts'
import type { Commits } from './commits.ts'
import type { CookieJar } from './cookie-jar.ts'
import type { CookieValues } from './cookie-value.ts'
import type { Found, Freshness, OwnedSession, Resolution } from './engine.ts'
import type { EventHub } from './events.ts'
import type { Snapshot } from './record.ts'
import type { Rotation } from './rotation.ts'

/** How a request's cookie was understood. */
export type Origin =
  /** No cookie, or none that is a session here. */
  | { readonly kind: 'stranger'; readonly reason: 'no cookie' | 'malformed' | 'unknown' | 'corrupt' }
  /**
   * `moved`: the browser still sends the id from before a rotation. `strays`: it sent other cookies of this name.
   * `outage`: why a copy had to do, where the outage policy lets it.
   */
  | {
      readonly kind: 'session'
      readonly owned: OwnedSession
      readonly moved: boolean
      readonly strays: boolean
      readonly outage?: Error
    }
  | { readonly kind: 'superseded'; readonly by: string }
  /** The store was away and the outage policy lets the request go on without its session. */
  | { readonly kind: 'unavailable'; readonly error: Error }

/** Where sessions are: in a store, or sealed in their cookies. */
export interface SessionEngine {
  /** Creates a visitor's session. */
  create(changes: readonly Change[]): Promise<OwnedSession>
  /** Finds what an id stands for. */
  resolve(id: string, freshness?: Freshness): Resolution | Promise<Resolution>
  /** What can be said of an id while that is not possible. */
  recall(id: string): OwnedSession | undefined
  /** Ends a session wherever it has moved to. */
  remove(session: Snapshot): Promise<Found>
}

/** What a session asks of its manager. */
export interface SessionHost {
  readonly engine: SessionEngine
  readonly rotation: Rotation
  readonly commits: Commits
  readonly events: EventHub
  readonly cookies: CookieJar
  readonly values: CookieValues
  /** Changes after the answer has begun are thrown back at the developer. */
  readonly development: boolean
  /** Ends the user's oldest sessions beyond the limit; `keep` is not one of them. */
  readonly enforceLimit: (principal: string, keep: string) => Promise<void>
  /** Throws when a session cannot hold these attributes, where that is known before it is stored. */
  readonly expectRoom?: (session: Snapshot | undefined, attributes: Attributes) => void
}
