import { setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import {
  CorruptRecordError,
  type IndexedSessionStore,
  type RevokingSessionStore,
  type SessionRecord,
  type SessionStore,
  type StoredSession,
  StoreUnavailableError,
} from '../stores/store.ts'
import { missingCapability, storeContract, type StoreTrial } from './store-contract.ts'

/** Mistakes that stores make, each by name. */
const mistakes = [
  'write upserts',
  'write looks, then writes',
  'write ignores the version',
  'write keeps the version',
  'write keeps the old expiry',
  'write leaves the index alone',
  'refused write moves the index',
  'create overwrites',
  'delete says what it did not remove',
  'expires a millisecond late',
  'touch revives the expired',
  'touch moves backwards',
  'touch replaces the data',
  'touch expires by a timer',
  'timers overflow',
  'keys ignore case',
  'keys are properties of an object',
  'data is trimmed',
  'data is parsed',
  'a visitor has an empty user id',
  'users are found by prefix',
  'list shows the expired',
  'sweeps too much',
  'sweeps without limit',
  'sweeps in order of creation',
  'sweep forgets users',
  'quarantine does nothing',
  'quarantine tells everybody',
  'corrupt reads as absent',
  'corrupt fails the list',
  'outage reads as absent',
  'forgets when a session began',
  'user ids are cut short',
  'touch empties the data',
  'touch takes the version back',
  'the clock counts seconds',
  'list invents versions',
  'list shows everybody',
  'list shows the deleted',
  'sweep reports the deleted',
  'revokeAll does nothing',
  'revokeAll ends one',
  'revokeAll ends everybody',
  'revokeAll ends visitors',
  'revokeAll ends later logins',
  'revokeAll ends the one to keep',
  'revokeAll is held up by a stranger',
  'revokeAll looks, then ends',
  'revokeAll ends who has left',
] as const
type Mistake = (typeof mistakes)[number]

/** A back end of the least that passes, with one mistake. */
function createTrial(mistake?: Mistake): StoreTrial {
  const has = (name: Mistake) => mistake === name
  let time = Date.UTC(2026, 0, 1)
  let away = false
  const records = new Map<string, StoredSession>()
  const owners = new Map<string, string | undefined>()
  const corrupt = new Set<string>()
  const deleted: StoredSession[] = []

  const normalize = (key: string) => (has('keys ignore case') ? key.toLowerCase() : key)
  const owner = (session: StoredSession) =>
    has('write leaves the index alone') || has('refused write moves the index')
      ? owners.get(session.key)
      : session.principal

  function findLive(key: string, at = time): StoredSession | undefined {
    if (away && has('outage reads as absent')) return undefined
    if (away) throw new StoreUnavailableError('the map is away', { cause: new Error('unplugged') })
    if (has('keys are properties of an object') && key in {}) return {} as StoredSession
    if (corrupt.has(key)) {
      if (has('corrupt reads as absent')) return undefined
      throw new CorruptRecordError('Cannot decode a record of the map')
    }
    const session = records.get(normalize(key))
    return session && session.expiresAt + (has('expires a millisecond late') ? 1 : 0) > at
      ? session
      : undefined
  }

  function put(key: string, version: number, record: SessionRecord): void {
    const { createdAt, lastSeenAt, expiresAt } = record
    const principal = has('user ids are cut short') ? record.principal?.slice(0, 255) : record.principal
    let { data } = record
    if (has('data is trimmed')) data = data.trim()
    if (has('data is parsed') && data === '007') data = '7'
    const began = has('forgets when a session began') ? lastSeenAt : createdAt
    const session = { key, version, data, principal, createdAt: began, lastSeenAt, expiresAt }
    const stored = has('a visitor has an empty user id')
      ? { ...session, principal: principal ?? '' }
      : session
    if (records.get(key)?.principal !== principal) former.set(key, records.get(key)?.principal)
    if (revoked.has(principal)) return
    records.set(normalize(key), stored)
    if (has('timers overflow')) setTimeout(() => records.delete(key), record.expiresAt - time).unref()
  }

  const revoked = new Set<string | undefined>()
  const former = new Map<string, string | undefined>()

  function createHandle(): IndexedSessionStore & RevokingSessionStore {
    return {
      name: 'map',
      now: async () => (has('the clock counts seconds') ? time / 1_000 : time),
      async create(key, record) {
        if (findLive(key) && !has('create overwrites')) return { outcome: 'conflict' }
        owners.set(key, record.principal)
        put(key, 1, record)
        return { outcome: 'written', version: 1 }
      },
      async read(key) {
        return findLive(key)
      },
      async write(key, version, record) {
        const found = findLive(key)
        if (has('write looks, then writes')) await pause(0)
        if (has('refused write moves the index')) owners.set(key, record.principal)
        if (!found && !has('write upserts')) return { outcome: 'gone' }
        if (found?.version !== version && !has('write ignores the version') && found)
          return { outcome: 'conflict' }
        const next = has('write keeps the version') ? version : (found?.version ?? 0) + 1
        put(
          key,
          next,
          has('write keeps the old expiry') && found ? { ...record, expiresAt: found.expiresAt } : record,
        )
        return { outcome: 'written', version: next }
      },
      async touch(key, lastSeenAt, expiresAt) {
        const found = findLive(key, has('touch revives the expired') ? 0 : time)
        if (!found) return false
        if (has('touch replaces the data')) await pause(0)
        const moved = has('touch moves backwards')
          ? { lastSeenAt, expiresAt }
          : {
              lastSeenAt: Math.max(found.lastSeenAt, lastSeenAt),
              expiresAt: has('touch expires by a timer')
                ? found.expiresAt
                : Math.max(found.expiresAt, expiresAt),
            }
        put(key, has('touch takes the version back') ? 0 : found.version, {
          ...found,
          ...moved,
          data: has('touch empties the data') ? '' : found.data,
        })
        return true
      },
      async delete(key) {
        const found = findLive(key)
        if (has('delete says what it did not remove')) await pause(0)
        records.delete(normalize(key))
        if (found) deleted.push(found)
        return found
      },
      async quarantine(key) {
        if (away) findLive(key)
        if (has('quarantine does nothing')) return false
        const found = records.has(key) || corrupt.has(key)
        corrupt.delete(key)
        records.delete(key)
        return found || has('quarantine tells everybody')
      },
      async list(principal) {
        if (away) findLive('')
        const listed = [...records.values(), ...(has('list shows the deleted') ? deleted : [])].filter(
          (session) => {
            if (corrupt.has(session.key) && !has('corrupt fails the list')) return false
            const live =
              has('list shows the expired') || deleted.includes(session) ? session : findLive(session.key)
            const user = owner(session)
            const found =
              user === principal || (has('users are found by prefix') && user?.startsWith(principal))
            return live && (found || has('list shows everybody'))
          },
        )
        return has('list invents versions')
          ? listed.map((session) => ({ ...session, version: 1_000 }))
          : listed
      },
      async sweep(limit) {
        const known = [...records.values(), ...(has('sweep reports the deleted') ? deleted.splice(0) : [])]
        const expired = known.filter(({ expiresAt }) => expiresAt <= time || has('sweeps too much'))
        if (!has('sweeps in order of creation')) expired.sort((a, b) => a.expiresAt - b.expiresAt)
        const swept = has('sweeps without limit') ? expired : expired.slice(0, limit)
        for (const { key } of swept) records.delete(key)
        return swept.map(({ key, principal }) => ({
          key,
          principal: has('sweep forgets users') ? undefined : principal,
        }))
      },
      async revokeAll(principal, except) {
        if (away) findLive('')
        if (has('revokeAll does nothing')) return
        if (has('revokeAll ends later logins')) revoked.add(principal)
        const isTheirs = except !== undefined && records.get(except)?.principal === principal
        if (has('revokeAll is held up by a stranger') && except !== undefined && !isTheirs) return
        const own = [...records.values()].filter(
          (session) =>
            session.principal === principal ||
            has('revokeAll ends everybody') ||
            (has('revokeAll ends visitors') && session.principal === undefined) ||
            (has('revokeAll ends who has left') && former.get(session.key) === principal),
        )
        if (has('revokeAll looks, then ends')) await pause(0)
        for (const session of has('revokeAll ends one') ? own.slice(0, 1) : own) {
          if (session.key === except && !has('revokeAll ends the one to keep')) continue
          if (has('revokeAll looks, then ends') && records.get(session.key) !== session) continue
          records.delete(session.key)
        }
      },
    }
  }

  return {
    store: createHandle(),
    peer: createHandle(),
    now: () => time,
    jumps: true,
    elapse: async (milliseconds) => {
      time += milliseconds
    },
    corrupt: async (key) => {
      corrupt.add(key)
    },
    unplug: async () => {
      away = true
    },
  }
}

/** Titles of the clauses that a store with this mistake breaks. */
async function findBroken(mistake: Mistake): Promise<readonly string[]> {
  const broken: string[] = []
  for (const { title, verify } of storeContract) {
    await verify(createTrial(mistake)).catch(() => broken.push(title))
  }
  return broken
}

describe('storeContract', () => {
  for (const { title, verify } of storeContract)
    it(`accepts a sound store that ${title}`, async () => {
      await expect(verify(createTrial())).resolves.toBeUndefined()
    })

  it.each(mistakes)('catches a store with the mistake "%s"', async (mistake) => {
    const broken = await findBroken(mistake)

    expect(broken).not.toEqual([])
  })

  it('has no clause that every mistake gets past', async () => {
    const broken = new Set((await Promise.all(mistakes.map(findBroken))).flat())

    expect(storeContract.map(({ title }) => title).filter((title) => !broken.has(title))).toEqual([])
  })

  it('titles each clause differently', () => {
    const titles = storeContract.map(({ title }) => title)

    expect(new Set(titles).size).toBe(titles.length)
  })
})

describe('missingCapability()', () => {
  it('names what a trial does not offer', () => {
    const { store, now, elapse } = createTrial()
    const plain = Object.fromEntries(
      Object.entries(store).filter(([name]) => !['now', 'sweep', 'list', 'revokeAll'].includes(name)),
    )
    const trial = { store: plain as unknown as SessionStore, now, elapse }

    const missing = new Set(storeContract.map((clause) => missingCapability(clause, trial)))

    expect(missing).toEqual(
      new Set([undefined, 'list', 'revoke', 'sweep', 'clock', 'jump', 'peer', 'corrupt', 'unplug']),
    )
  })

  it('finds nothing missing in a trial that offers everything', () => {
    const missing = storeContract.map((clause) => missingCapability(clause, createTrial()))

    expect(new Set(missing)).toEqual(new Set([undefined]))
  })
})
