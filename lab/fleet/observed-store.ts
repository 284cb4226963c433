/**
 * A store that reports which sessions a server works with, for the drawing of the lab.
 *
 * It sees what events of the session manager leave out: that a session was merely read here.
 *
 * @module
 */

import type { SessionRecord, SessionStore } from 'coatcheck'
import type { SessionChange } from './server-messages.ts'

/** A session that went on under a new id leaves a record behind for a moment: where to, or by whom it was replaced. */
const MOVED = /^\{"(?:to|by)":/

/**
 * Wraps a store so that it reports each session that it was asked for and had, and each that ended.
 *
 * @param report Called synchronously. It must not throw.
 */
export function observeStore<Store extends SessionStore>(
  store: Store,
  report: (change: SessionChange) => void,
): Store {
  const { sweep, copies } = store
  const gone = (handle: string) => report({ type: 'gone', handle })
  const held = (handle: string, { data, principal }: Pick<SessionRecord, 'data' | 'principal'>) => {
    if (MOVED.test(data)) gone(handle)
    else report({ type: 'held', handle, principal })
  }
  store.onEvict?.(({ key }) => gone(key))

  const observed: SessionStore = {
    ...store,
    async create(key, record) {
      const result = await store.create(key, record)
      if (result.outcome === 'written') held(key, record)
      return result
    },
    async read(key) {
      const session = await store.read(key)
      if (session) held(key, session)
      else gone(key)
      return session
    },
    async write(key, version, record) {
      const result = await store.write(key, version, record)
      if (result.outcome === 'written') held(key, record)
      return result
    },
    async delete(key) {
      gone(key)
      return await store.delete(key)
    },
    ...(copies && {
      copies: {
        ...copies,
        peek(key: string, now: number, atLeast: number) {
          const session = copies.peek(key, now, atLeast)
          if (session) held(key, session)
          return session
        },
      },
    }),
    ...(sweep && {
      async sweep(limit: number) {
        const swept = await sweep(limit)
        for (const { key } of swept) gone(key)
        return swept
      },
    }),
  }
  // What it can do beyond a plain store was spread into it.
  return observed as Store
}
