/**
 * Ends families: the family and its access tokens, as one step that a crash can only delay.
 *
 * The family lies in the store and the denial of its `sid` in the revocation log, and no transaction spans both. So
 * the family is first written as `revoking`, from when on no refresh token of it is good. Then the `sid` is denied, and
 * then the family is `revoked`. Whoever meets one that is `revoking` does what is missing; doing it twice does no harm.
 *
 * @module
 */

import { type IndexedSessionStore, type SessionStore, StoreUnavailableError } from '../../stores/store.ts'
import { REVOKING_PRINCIPAL, type StoredFamily, toFamily, toRecord } from './family.ts'
import type { StoreCalls } from './store-calls.ts'

/** Ends families. */
export interface FamilyEnding {
  /**
   * Ends a family.
   *
   * When it resolves, its refresh tokens are refused and its `sid` is denied.
   *
   * @returns Whether this very call ended it; of several callers, one.
   */
  end(family: StoredFamily): Promise<boolean>
  /** Denies the `sid` of a family that another call, or another server, left as `revoking`. */
  complete(family: StoredFamily): Promise<void>
  /** Completes every family that was left as `revoking`, and resolves to how many there were. */
  recover(): Promise<number>
}

/** Denies the access tokens of a session; resolved when that is stored. */
export type DenySession = (sid: string) => Promise<void>

/** A loser of this many races in a row is told to come again. Each round another writer has got on. */
const MOST_ROUNDS = 20

/**
 * Creates the ending.
 *
 * @param deny `undefined` where access tokens cannot be revoked: then there is nothing to wait for.
 */
export function createFamilyEnding(
  store: SessionStore | IndexedSessionStore,
  calls: StoreCalls,
  deny: DenySession | undefined,
): FamilyEnding {
  async function complete(family: StoredFamily): Promise<void> {
    await deny?.(family.sid)
    const record = toRecord({ ...family, state: 'revoked' }, await calls.now())
    // Both parts of the promise are kept by now. If this fails, the sid is denied once more later.
    await calls.write(family.handle, family.version, record).catch(() => undefined)
  }

  async function end(family: StoredFamily): Promise<boolean> {
    let current: StoredFamily | undefined = family
    for (let round = 0; current && round < MOST_ROUNDS; round++) {
      if (current.state === 'revoked') return false
      if (current.state === 'revoking') {
        await complete(current)
        return false
      }
      const revoking: StoredFamily = { ...current, state: 'revoking' }
      const record = toRecord(revoking, await calls.now())
      const result = await calls.write(current.handle, current.version, record)
      if (result.outcome === 'written') {
        await complete({ ...revoking, version: result.version })
        return true
      }
      if (result.outcome === 'gone') return false
      current = await find(calls, current.handle)
    }
    if (!current) return false
    throw new StoreUnavailableError(
      'Cannot revoke a token family as other writers kept coming first; try again',
    )
  }

  return {
    end,
    complete,
    async recover() {
      if (!('list' in store)) return 0
      const records = await calls.run('list token families', () => store.list(REVOKING_PRINCIPAL))
      const families = records.map(toFamily).filter((family) => family?.state === 'revoking')
      for (const family of families) await complete(family!)
      return families.length
    },
  }
}

/** Reads a family; `undefined` when there is none, or something else. */
export async function find(calls: StoreCalls, handle: string): Promise<StoredFamily | undefined> {
  const stored = await calls.read(handle)
  return stored === undefined || stored === 'corrupt' ? undefined : toFamily(stored)
}
