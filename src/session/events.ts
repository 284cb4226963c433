/**
 * What happens to sessions, for audit and metrics (OWASP SMC-21). Sessions are named by handle: it lets nobody in.
 *
 * @module
 */

/** A session and its user. */
export interface SessionEvent {
  /** Public handle of the session. */
  readonly handle: string
  /** Id of its user; `undefined` for a visitor. */
  readonly principal: string | undefined
}

/** Every event with what it carries. */
export interface SessionEvents {
  /** A visitor's session was stored for the first time. */
  created: SessionEvent
  /** A user logged in; the session has a new id. `previous` is the handle it had as a visitor, if it was stored. */
  login: SessionEvent & { readonly previous: string | undefined }
  /** The session goes on under a new id. */
  rotated: SessionEvent & { readonly previous: string }
  /** The application ended the session: a logout. */
  destroyed: SessionEvent
  /** Somebody ended it from outside: its user from another session, an operator, or the limit per user. */
  revoked: SessionEvent & { readonly by: 'user' | 'operator' | 'limit' }
  /** All sessions of a user were ended at once, on a store that cannot tell which there were. `except` is a handle. */
  revokedAll: { readonly principal: string; readonly except: string | undefined }
  /** Its time was over, and its record was removed. Back ends that expire records by themselves do not tell. */
  expired: SessionEvent
  /** A bounded store dropped it to make room. */
  evicted: SessionEvent
  /** Its record could not be decoded and was set aside. Its visitor got a new session. */
  corrupt: { readonly handle: string }
  /** A change was made after the answer had begun; outside development it was committed all the same. */
  lateWrite: SessionEvent
  /** The circuit breaker opened: the store does not answer, and requests are not made to wait for it. */
  storeDown: { readonly error: unknown }
  /** The store answers again. */
  storeUp: {
    /** How long it was away, in milliseconds. */
    readonly downtime: number
  }
}

/** Names of {@link SessionEvents}. */
export type SessionEventName = keyof SessionEvents

/** Listener of one event. */
export type SessionListener<Name extends SessionEventName> = (event: SessionEvents[Name]) => void

/** Tells listeners what happens. */
export interface EventHub {
  on<Name extends SessionEventName>(name: Name, listener: SessionListener<Name>): () => void
  emit<Name extends SessionEventName>(name: Name, event: SessionEvents[Name]): void
}

/** Creates a hub. A listener that throws does not disturb requests or other listeners; its error is reported. */
export function createEventHub(): EventHub {
  const listeners = new Map<SessionEventName, Set<SessionListener<never>>>()

  return {
    on(name, listener) {
      const set = listeners.get(name) ?? new Set()
      listeners.set(name, set.add(listener))
      return () => {
        set.delete(listener)
      }
    },
    emit(name, event) {
      for (const listener of listeners.get(name) ?? []) {
        try {
          listener(event as never)
        } catch (error) {
          process.emitWarning(
            `A listener of the session event '${name}' failed: ${String(error)}`,
            'CoatcheckWarning',
          )
        }
      }
    },
  }
}
