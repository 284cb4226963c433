/**
 * A full copy of the log's sessions, and how far in the log's sequence it is true.
 *
 * It is fed by one watch from its beginning to its end. When a watch breaks, another copy is built by another watch:
 * whatever was deleted in between is not in it.
 *
 * @module
 */

import { createTable } from '../memory/table.ts'
import { NONE } from '../memory/pool.ts'
import type { StoredSession, SweptSession } from '../store.ts'
import { decodeHead, decodeRecord, withData } from './codec.ts'
import type { LogEntry } from './log.ts'
import { claimedKeyOf, SECRET, sessionKeyOf } from './names.ts'

/** A removal, or a claim, that is still in the log. */
export interface Marker {
  readonly revision: number
  readonly at: number
}

/** A session of the copy, whose data is empty in a copy of metadata. */
export interface ExpiredSession extends SweptSession {
  readonly revision: number
}

/** Sessions as far as one watch has delivered them. */
export interface Copy {
  /** Whether it has the data of the sessions, too. */
  readonly full: boolean
  /** Revision of the newest entry delivered; 0 before the first. */
  readonly position: number
  /**
   * How often entries were left out, as they had been replaced before their turn.
   *
   * What replaced them was in the log when the gap showed, further on. So the copy lacks nothing again at an entry that
   * was written after the last gap had shown.
   */
  readonly gaps: number
  readonly size: number
  /** Bytes that the sessions take up. */
  readonly bytes: number
  /** Newest entry of the secret that stamps are authenticated with. */
  readonly secret: LogEntry | undefined
  /** Removals and claims seen and not yet forgotten, oldest first. */
  readonly markers: Marker[]
  /** Takes in what the watch delivers. */
  deliver(entry: LogEntry): void
  /** Takes in what this process has stored itself, or was told by the leader. */
  learn(entry: LogEntry): void
  /** Revision of the session under a key; 0 when there is none. */
  revisionOf(key: string): number
  /** The session under a key, expired or not. */
  read(key: string): StoredSession | undefined
  /** Sessions of a user, expired or not. */
  list(principal: string): readonly StoredSession[]
  /** Sessions that have expired, the oldest first: all from one second. */
  due(now: number): readonly ExpiredSession[]
}

/** Removals and claims that are remembered for sweeping them out of the log; beyond that they are left to their age. */
const MAX_MARKERS = 100_000

/** Creates an empty copy. */
export function createCopy(full: boolean): Copy {
  const table = createTable()
  /** Revisions of removals that the watch has yet to deliver: an older entry on its way must not bring them back. */
  const removals = new Map<string, number>()
  const markers: Marker[] = []
  let position = 0
  let gaps = 0
  let secret: LogEntry | undefined

  function revisionOf(key: string): number {
    const id = table.find(key)
    return id === NONE ? 0 : table.getVersion(id)
  }

  function drop(key: string): void {
    const id = table.find(key)
    if (id !== NONE) table.remove(id)
  }

  function apply(key: string, entry: LogEntry): void {
    if (entry.revision <= revisionOf(key) || entry.revision < (removals.get(key) ?? 0)) return
    const record = full ? decodeRecord(entry) : decodeBare(entry.meta)
    // What cannot be decoded replaced what was there; whoever asks the leader for it is told.
    if (entry.removed || !record) return drop(key)
    const id = table.find(key)
    table.pack(key, record)
    if (id === NONE) table.insert(record, entry.revision)
    else table.replace(id, record, entry.revision)
  }

  return {
    full,
    markers,
    get position() {
      return position
    },
    get gaps() {
      return gaps
    },
    get size() {
      return table.size
    },
    get bytes() {
      return table.bytes
    },
    get secret() {
      return secret
    },
    deliver(entry) {
      const { revision, removed } = entry
      if (revision !== position + 1) gaps += 1
      position = revision
      const key = sessionKeyOf(entry.key)
      if (key !== undefined) {
        apply(key, entry)
        if ((removals.get(key) ?? Number.POSITIVE_INFINITY) <= revision) removals.delete(key)
      } else if (entry.key === SECRET) secret = entry
      const isPassing = removed || claimedKeyOf(entry.key) !== undefined
      if (isPassing && markers.length < MAX_MARKERS) markers.push({ revision, at: entry.at })
    },
    learn(entry) {
      const key = sessionKeyOf(entry.key)
      // What has been delivered already is in the copy, or was replaced by something newer.
      if (key === undefined || entry.revision <= position) return
      apply(key, entry)
      if (entry.removed && entry.revision > (removals.get(key) ?? 0)) removals.set(key, entry.revision)
    },
    revisionOf,
    read(key) {
      const id = table.find(key)
      return id === NONE ? undefined : table.read(id, key)
    },
    list(principal) {
      return table.list(principal).map((id) => table.read(id, table.describe(id).key))
    },
    due(now) {
      return table.calendar.due(now).map((id) => ({ ...table.describe(id), revision: table.getVersion(id) }))
    },
  }
}

function decodeBare(meta: string) {
  const head = decodeHead(meta)
  return head && withData(head, new Uint8Array(0))
}
