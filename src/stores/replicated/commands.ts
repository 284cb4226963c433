/**
 * What changes sessions: every change names the revision that it replaces.
 *
 * @module
 */

import type { IndexedSessionStore, SessionRecord, StoredSession } from '../store.ts'
import type { Claims } from './claims.ts'
import type { LogClock } from './clock.ts'
import { decodeRecord, encodeRecord, NO_DATA } from './codec.ts'
import type { Follower } from './follower.ts'
import type { Leader } from './leader.ts'
import type { ReplicatedLog } from './log.ts'
import { asideName, sessionName } from './names.ts'
import { corrupt, withReason } from './trouble.ts'

/** What the commands work on. */
export interface CommandParts {
  readonly log: ReplicatedLog
  readonly follower: Follower
  readonly leader: Leader
  readonly claims: Claims
  readonly clock: LogClock
}

/** The methods of a store that ask the log. */
export interface Commands {
  readonly store: Pick<
    IndexedSessionStore,
    'create' | 'read' | 'write' | 'touch' | 'delete' | 'quarantine' | 'list'
  >
  /** Changes that took effect. */
  readonly writes: number
}

/** Other writers that may come first in a row before a touch or a deletion gives up. */
const MAX_ATTEMPTS = 50

/** Creates the commands. */
export function createCommands({ log, follower, leader, claims, clock }: CommandParts): Commands {
  let writes = 0

  /** Stores a record in the place of a revision, and takes it into the copy. */
  async function put(key: string, record: SessionRecord, replaced: number): Promise<number | undefined> {
    const name = sessionName(key)
    const value = encodeRecord(record)
    await claims.standBack(key)
    const revision = await log.put(name, value, replaced)
    if (revision === undefined) return undefined
    writes += 1
    follower.learn({ key: name, revision, at: clock.now(), removed: false, ...value })
    return revision
  }

  async function replaceByRemoval(key: string, replaced: number): Promise<boolean> {
    const name = sessionName(key)
    const revision = await log.remove(name, replaced)
    if (revision === undefined) return false
    writes += 1
    follower.learn({ key: name, revision, at: clock.now(), meta: '', data: NO_DATA, removed: true })
    return true
  }

  const isLive = (session: StoredSession | undefined): session is StoredSession =>
    session !== undefined && session.expiresAt > clock.now()

  /** The session from the copy, which a compare-and-set will prove right or wrong. */
  function recall(key: string): StoredSession | undefined {
    const { copy } = follower
    return copy?.full ? copy.read(key) : undefined
  }

  async function guess(key: string): Promise<StoredSession | undefined> {
    return recall(key) ?? readFromLeader(leader, key, 0)
  }

  /**
   * What to try after another writer came first. The watch has mostly brought it by now, and those who write without
   * pause do not ask either: who asks the leader each time is always late.
   */
  async function lookAgain({ key, version }: StoredSession): Promise<StoredSession | undefined> {
    const newer = recall(key)
    return isLive(newer) && newer.version > version ? newer : readFromLeader(leader, key, 0)
  }

  /**
   * Tries with a guess first, and then with what came first, until nobody did.
   *
   * @param onLost Called each time that another writer came first.
   */
  async function retry<Result>(
    key: string,
    attempt: (session: StoredSession) => Promise<Result | undefined>,
    onLost?: () => void,
  ): Promise<Result | undefined> {
    let session = await guess(key)
    // An expired one is as good as the leader's: only a newer revision could live, and the leader is asked for it.
    if (session && !isLive(session)) session = await readFromLeader(leader, key, 0)
    for (let count = 0; count < MAX_ATTEMPTS; count++) {
      if (!isLive(session)) return undefined
      const result = await attempt(session)
      if (result !== undefined) return result
      onLost?.()
      session = await lookAgain(session)
    }
    throw new Error('Other writers came first again and again')
  }

  /** Deletes a session. One that others write without pause is claimed first, or it would never be its turn. */
  async function remove(key: string): Promise<StoredSession | undefined> {
    let release: (() => void) | undefined
    try {
      return await retry(
        key,
        async (session) => ((await replaceByRemoval(key, session.version)) ? session : undefined),
        () => (release ??= claims.claim(key)),
      )
    } finally {
      release?.()
    }
  }

  async function create(key: string, record: SessionRecord) {
    const version = await put(key, record, 0)
    if (version !== undefined) return { outcome: 'written', version } as const
    // The key may be that of a session that has ended and is still in the log.
    const entry = await log.get(sessionName(key))
    if (entry && !entry.removed && isLive(await readFromLeader(leader, key, entry.revision)))
      return { outcome: 'conflict' } as const
    const second = await put(key, record, entry?.revision ?? 0)
    return second === undefined
      ? ({ outcome: 'conflict' } as const)
      : ({ outcome: 'written', version: second } as const)
  }

  async function write(key: string, version: number, record: SessionRecord) {
    let session = await guess(key)
    if (session?.version !== version) session = await readFromLeader(leader, key, 0)
    if (!isLive(session)) return { outcome: 'gone' } as const
    if (session.version !== version) return { outcome: 'conflict' } as const
    const written = await put(key, record, version)
    if (written !== undefined) return { outcome: 'written', version: written } as const
    const newer = await readFromLeader(leader, key, 0)
    return { outcome: isLive(newer) ? 'conflict' : 'gone' } as const
  }

  async function touch(session: StoredSession, lastSeenAt: number, expiresAt: number) {
    const { key, version, ...record } = session
    const moved = {
      ...record,
      lastSeenAt: Math.max(record.lastSeenAt, lastSeenAt),
      expiresAt: Math.max(record.expiresAt, expiresAt),
    }
    const moves = moved.lastSeenAt > record.lastSeenAt || moved.expiresAt > record.expiresAt
    if (!moves) {
      // Whether it is still there, the leader knows; the answer may carry a newer revision.
      const newest = await readFromLeader(leader, key, version)
      return isLive(newest) && newest.lastSeenAt >= lastSeenAt && newest.expiresAt >= expiresAt
        ? true
        : undefined
    }
    return (await put(key, moved, version)) === undefined ? undefined : true
  }

  async function quarantine(key: string): Promise<boolean> {
    const entry = await leader.ask(key, 0)
    if (!entry) return false
    const { meta, data, revision } = entry
    await log.append(asideName(key), { meta, data })
    return replaceByRemoval(key, revision)
  }

  async function list(principal: string): Promise<readonly StoredSession[]> {
    const copy = await follower.catchUp()
    const sessions = copy.list(principal).filter(isLive)
    if (copy.full) return sessions
    const full = await Promise.all(
      sessions.map(({ key }) => readFromLeader(leader, key, 0).catch(() => undefined)),
    )
    return full.filter((session) => isLive(session)).filter((session) => session.principal === principal)
  }

  return {
    get writes() {
      return writes
    },
    store: {
      create: (key, record) => withReason('create a session', () => create(key, record)),
      read: (key, atLeast = 0) =>
        withReason('read a session', async () => {
          const session = await readFromLeader(leader, key, atLeast)
          return isLive(session) ? session : undefined
        }),
      write: (key, version, record) => withReason('write a session', () => write(key, version, record)),
      touch: (key, lastSeenAt, expiresAt) =>
        withReason('touch a session', async () => {
          const touched = await retry(key, (session) => touch(session, lastSeenAt, expiresAt))
          return touched === true
        }),
      delete: (key) => withReason('delete a session', () => remove(key)),
      quarantine: (key) => withReason('set a corrupt record aside', () => quarantine(key)),
      list: (principal) => withReason("list a user's sessions", () => list(principal)),
    },
  }
}

/** Reads a session, live or expired, by asking the leader. */
async function readFromLeader(
  leader: Leader,
  key: string,
  atLeast: number,
): Promise<StoredSession | undefined> {
  const entry = await leader.ask(key, atLeast)
  if (!entry) return undefined
  const record = decodeRecord(entry)
  if (!record) throw corrupt()
  return { key, version: entry.revision, ...record }
}
