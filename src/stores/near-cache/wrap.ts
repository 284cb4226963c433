/**
 * A store whose answers pass through what this process knows.
 *
 * @module
 */

import {
  CorruptRecordError,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionRecord,
  type SessionStore,
  type StoredSession,
  type WriteResult,
} from '../store.ts'
import type { Knowledge } from './knowledge.ts'
import { UNPROVEN } from './shelf.ts'

/** Any store, as far as a near cache passes calls on. */
type AnyStore = SessionStore & Partial<IndexedSessionStore & RevokingSessionStore>

/** What {@link wrapStore} makes. */
export interface WrappedStore {
  readonly store: AnyStore
  /** Asks the store, whatever others have asked before. */
  readonly fresh: (key: string) => Promise<StoredSession | undefined>
}

/** Wraps a store with all it can do. */
export function wrapStore(store: AnyStore, known: Knowledge): WrappedStore {
  function ask(key: string, atLeast: number): Promise<StoredSession | undefined> {
    const call = known.begin(key)
    const flight = answer()
    if (call.era !== UNPROVEN) call.watch.flight = flight
    return flight

    async function answer(): Promise<StoredSession | undefined> {
      try {
        const session = await store.read(key)
        const isUndisturbed = land()
        if (!session) {
          if (isUndisturbed) known.discard(key)
          return undefined
        }
        // An answer below what the caller has proof of comes from a store that has lost something.
        if (isUndisturbed && session.version >= atLeast) known.keep(call, session)
        else known.dismiss()
        return known.isBuried(key) ? undefined : session
      } catch (error) {
        land()
        if (error instanceof CorruptRecordError) known.discard(key)
        throw error
      }
    }

    function land(): boolean {
      if (call.watch.flight === flight) call.watch.flight = undefined
      return known.end(call)
    }
  }

  /** Stores a version, and keeps a copy of it. */
  async function put(
    key: string,
    record: SessionRecord,
    send: () => Promise<WriteResult>,
  ): Promise<WriteResult> {
    const call = known.begin(key)
    let result: WriteResult
    try {
      result = await send()
    } catch (error) {
      known.end(call)
      // It may have been stored all the same.
      known.discard(key)
      throw error
    }
    // Another server may have written since, and the channel told of it before this answer came.
    if (known.end(call) && result.outcome === 'written') {
      // Reads under way may have been answered before the write.
      known.distrustCalls(key)
      known.keep(call, toStored(key, result.version, record))
    } else known.discard(key)
    return result
  }

  /** Ends what is stored under a key. Until that is certain, nothing is known of it. */
  async function end<Result>(key: string, send: () => Promise<Result>): Promise<Result> {
    known.discard(key)
    try {
      return await send()
    } finally {
      known.discard(key)
    }
  }

  const wrapped: AnyStore = {
    name: store.name,

    async create(key, record) {
      const wasBuried = known.isBuried(key)
      return put(key, record, async () => {
        const result = await store.create(key, record)
        if (result.outcome === 'written' && wasBuried) known.exhume(key)
        return result
      })
    },

    async read(key, atLeast = 0) {
      if (known.isBuried(key)) return undefined
      const flight = known.flight(key)
      if (!flight) return ask(key, atLeast)
      const session = await flight
      return (session?.version ?? 0) >= atLeast ? session : ask(key, atLeast)
    },

    async write(key, version, record) {
      const result = await put(key, record, () => store.write(key, version, record))
      if (result.outcome === 'gone') known.bury(key, record.expiresAt)
      return result
    },

    async touch(key, lastSeenAt, expiresAt) {
      const isThere = await store.touch(key, lastSeenAt, expiresAt)
      if (isThere) known.move(key, lastSeenAt, expiresAt)
      else known.discard(key)
      return isThere
    },

    async delete(key) {
      const until = known.expiryOf(key)
      const deleted = await end(key, () => store.delete(key))
      known.bury(key, deleted?.expiresAt ?? until)
      return deleted
    },

    async quarantine(key) {
      const until = known.expiryOf(key)
      const isAside = await end(key, () => store.quarantine(key))
      if (isAside) known.bury(key, until)
      return isAside
    },
  }

  return {
    store: { ...wrapped, ...wrapExtras(store, known) },
    fresh: async (key) => (known.isBuried(key) ? undefined : ask(key, 0)),
  }
}

/** What only some stores can do. */
function wrapExtras(store: AnyStore, known: Knowledge): Partial<AnyStore> {
  const { now, sweep, onEvict, list, revokeAll } = store
  onEvict?.call(store, ({ key }) => known.discard(key))
  return {
    ...(now && { now: () => now.call(store) }),
    ...(onEvict && { onEvict: (listener) => onEvict.call(store, listener) }),
    ...(sweep && {
      async sweep(limit) {
        const swept = await sweep.call(store, limit)
        for (const { key } of swept) known.discard(key)
        return swept
      },
    }),
    ...(list && {
      async list(principal) {
        const sessions = await list.call(store, principal)
        return sessions.filter(({ key }) => !known.isBuried(key))
      },
    }),
    ...(revokeAll && {
      async revokeAll(principal, except) {
        known.discardUser(principal, except)
        try {
          await revokeAll.call(store, principal, except)
        } finally {
          known.discardUser(principal, except)
        }
      },
    }),
  }
}

function toStored(key: string, version: number, record: SessionRecord): StoredSession {
  const { data, principal, createdAt, lastSeenAt, expiresAt } = record
  return { key, version, data, principal, createdAt, lastSeenAt, expiresAt }
}
