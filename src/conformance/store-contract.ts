/**
 * The contract of `../stores/store.ts` as data: clauses that any test runner can verify against any store.
 *
 * @module
 */

import type { IndexedSessionStore, RevokingSessionStore, SessionStore } from '../stores/store.ts'
import { expiryClauses } from './store-clauses/expiry.ts'
import { lookupClauses } from './store-clauses/lookup.ts'
import { raceClauses } from './store-clauses/races.ts'
import { recordClauses } from './store-clauses/records.ts'
import { revocationClauses } from './store-clauses/revocation.ts'
import { troubleClauses } from './store-clauses/trouble.ts'
import { upkeepClauses } from './store-clauses/upkeep.ts'
import { writeClauses } from './store-clauses/writes.ts'

/**
 * A store under examination, with the clock it lives by.
 *
 * Each clause wants a trial of its own. The back end may hold other records: clauses mint their own keys and users.
 */
export interface StoreTrial {
  readonly store: SessionStore | IndexedSessionStore | RevokingSessionStore
  /** Current time by the store's clock, in milliseconds since the Unix epoch. */
  readonly now: () => number
  /** Lets time pass: a manual clock jumps, a real back end is waited for. */
  readonly elapse: (milliseconds: number) => Promise<void>
  /** Set when {@link elapse} jumps, so that a month can pass within a test. */
  readonly jumps?: boolean
  /** A second handle on the same back end, as another server has it. */
  readonly peer?: SessionStore | IndexedSessionStore | RevokingSessionStore
  /** Puts something in the place of a stored record that the store cannot decode. */
  readonly corrupt?: (key: string) => Promise<void>
  /** Takes the back end away for good, so that {@link store} gets no answer any more. */
  readonly unplug?: () => Promise<void>
}

/** What a store or its trial must offer for a clause to apply. */
export type StoreCapability =
  /** The store finds the sessions of a user. */
  | 'list'
  /** The store ends all sessions of a user at once. */
  | 'revoke'
  /** The store removes expired sessions when asked. */
  | 'sweep'
  /** The store tells the time of its back end. */
  | 'clock'
  /** The trial has a second handle on the back end. */
  | 'peer'
  /** The trial's clock jumps. */
  | 'jump'
  /** The trial can damage a record. */
  | 'corrupt'
  /** The trial can take the back end away. */
  | 'unplug'

/** One clause of the contract. */
export interface StoreClause {
  /** The promise, as a sentence about the store. Unique in {@link storeContract}. */
  readonly title: string
  /** What the clause takes for granted; see {@link missingCapability}. */
  readonly needs?: readonly StoreCapability[]
  /** Rejects with an `AssertionError` when the store breaks the promise. */
  readonly verify: (trial: StoreTrial) => Promise<void>
}

/**
 * Every clause of the store contract.
 *
 * A store that falls short of one lists its title with the reason, in its own tests.
 *
 * @example
 * ```ts
 * for (const clause of storeContract) {
 *   it(clause.title, async (context) => {
 *     const trial = await createTrial()
 *     const missing = missingCapability(clause, trial)
 *     if (missing !== undefined) return context.skip(`needs ${missing}`)
 *     await clause.verify(trial)
 *   })
 * }
 * ```
 */
export const storeContract: readonly StoreClause[] = [
  ...recordClauses,
  ...writeClauses,
  ...raceClauses,
  ...expiryClauses,
  ...lookupClauses,
  ...revocationClauses,
  ...upkeepClauses,
  ...troubleClauses,
]

/** Names the first thing that a clause needs and a trial does not offer; `undefined` when the clause applies. */
export function missingCapability(clause: StoreClause, trial: StoreTrial): StoreCapability | undefined {
  return clause.needs?.find((capability) => !offers[capability](trial))
}

const offers: Readonly<Record<StoreCapability, (trial: StoreTrial) => boolean>> = {
  list: ({ store }) => 'list' in store,
  revoke: ({ store }) => 'revokeAll' in store,
  sweep: ({ store }) => store.sweep !== undefined,
  clock: ({ store }) => store.now !== undefined,
  jump: ({ jumps }) => jumps === true,
  peer: ({ peer }) => peer !== undefined,
  corrupt: ({ corrupt }) => corrupt !== undefined,
  unplug: ({ unplug }) => unplug !== undefined,
}
