/**
 * A store that reports which sessions a server works with, for the drawing of the lab.
 *
 * It sees what events of the session manager leave out: that a session was merely read here.
 *
 * @module
 */

import type { IndexedSessionStore } from 'coatcheck'
import type { SessionChange } from './server-messages.ts'

/**
 * Wraps a store so that it reports each session that it was asked for and had, and each that ended.
 *
 * @param report Called synchronously. It must not throw.
 */
export function observeStore(
  store: IndexedSessionStore,
  report: (change: SessionChange) => void,
): IndexedSessionStore {
  const { sweep } = store
  const held = (handle: string, principal: string | undefined) => report({ type: 'held', handle, principal })
  const gone = (handle: string) => report({ type: 'gone', handle })
  store.onEvict?.(({ key }) => gone(key))

  return {
    ...store,
    async create(key, record) {
      const result = await store.create(key, record)
      if (result.outcome === 'written') held(key, record.principal)
      return result
    },
    async read(key) {
      const session = await store.read(key)
      if (session) held(key, session.principal)
      else gone(key)
      return session
    },
    async write(key, version, record) {
      const result = await store.write(key, version, record)
      if (result.outcome === 'written') held(key, record.principal)
      return result
    },
    async delete(key) {
      gone(key)
      return await store.delete(key)
    },
    ...(sweep && {
      async sweep(limit: number) {
        const swept = await sweep(limit)
        for (const { key } of swept) gone(key)
        return swept
      },
    }),
  }
}
