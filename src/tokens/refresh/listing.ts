/**
 * The logins of a user, where the store can find them.
 *
 * @module
 */

import type { IndexedSessionStore } from '../../stores/store.ts'
import type { RefreshIndex } from '../refresh.ts'
import type { FamilyEnding } from './ending.ts'
import type { RefreshJournal } from './events.ts'
import { expiryOf, principalOf, type StoredFamily, toFamily } from './family.ts'
import type { StoreCalls } from './store-calls.ts'

/** Creates the index. */
export function createRefreshIndex(
  store: IndexedSessionStore,
  calls: StoreCalls,
  ending: FamilyEnding,
  journal: RefreshJournal,
): RefreshIndex {
  async function find(sub: string): Promise<StoredFamily[]> {
    const records = await calls.run('list token families', () => store.list(principalOf(sub)))
    return records.map(toFamily).filter((family) => family?.state === 'active') as StoredFamily[]
  }

  async function endAll(families: readonly StoredFamily[]): Promise<number> {
    const ended = await Promise.all(
      families.map(async (family) => {
        const isMine = await ending.end(family)
        if (isMine) journal.tell('revoked', family)
        return isMine
      }),
    )
    return ended.filter(Boolean).length
  }

  return {
    async list(sub) {
      const families = await find(sub)
      return families.sort((one, other) => other.rotatedAt - one.rotatedAt).map(toInfo)
    },
    revokeSession: async (sub, sid) => endAll((await find(sub)).filter((family) => family.sid === sid)),
    revokeUser: async (sub) => endAll(await find(sub)),
    recover: () => ending.recover(),
  }
}

function toInfo(family: StoredFamily) {
  const { handle, sid, scope, clientId, startedAt, rotatedAt } = family
  return { handle, sid, scope, clientId, startedAt, lastUsedAt: rotatedAt, expiresAt: expiryOf(family) }
}
