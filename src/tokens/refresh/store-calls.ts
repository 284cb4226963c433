/**
 * A session store as refresh tokens call it.
 *
 * @module
 */

import {
  CorruptRecordError,
  type SessionRecord,
  type SessionStore,
  type StoredSession,
  type WriteResult,
} from '../../stores/store.ts'
import { type Caller, createCaller } from '../deadline.ts'

/** The calls; each rejects with `StoreUnavailableError` when the store gives no answer in time. */
export interface StoreCalls {
  /** Time by the store's clock, in milliseconds since the Unix epoch. */
  now(): Promise<number>
  create(key: string, record: SessionRecord): Promise<WriteResult>
  /** Reads from the back end, past any copies. `'corrupt'` when what is there cannot be decoded. */
  read(key: string): Promise<StoredSession | 'corrupt' | undefined>
  write(key: string, version: number, record: SessionRecord): Promise<WriteResult>
  quarantine(key: string): Promise<boolean>
  readonly run: Caller
}

/** Options of {@link createStoreCalls}. */
export interface StoreCallsOptions {
  /** What the store keeps, for messages: `'a token family'`. */
  readonly what: string
  /** Longest wait for one call, in milliseconds. */
  readonly timeout: number
  /** Clock for a store that has none of its own. */
  readonly now: () => number
}

/** Puts a deadline on the calls to a store. */
export function createStoreCalls(store: SessionStore, options: StoreCallsOptions): StoreCalls {
  const { what, timeout, now } = options
  const run = createCaller(`${store.name} store`, timeout)
  const { copies } = store

  return {
    run,
    now: async () => (store.now ? run('ask for the time', () => store.now!()) : now()),
    create: (key, record) => run(`create ${what}`, () => store.create(key, record)),
    async read(key) {
      try {
        return await run(`read ${what}`, () => (copies ? copies.fresh(key) : store.read(key)))
      } catch (error) {
        if (error instanceof CorruptRecordError) return 'corrupt'
        throw error
      }
    },
    write: (key, version, record) => run(`write ${what}`, () => store.write(key, version, record)),
    quarantine: (key) => run('set a corrupt record aside', () => store.quarantine(key)),
  }
}
