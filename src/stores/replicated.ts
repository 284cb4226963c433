/**
 * Replicated sessions: every server holds a full copy, and none believes a stale one.
 *
 * Writes go to a distributed log, conditional on the revision they replace; a watch brings them to every server. Reads
 * are answered from the copy as long as an echo of this server's own proves that the watch has kept up; else the log's
 * leader is asked, and where it gives no answer, nobody is logged in.
 *
 * @module
 */

import { createClaims, type Claims } from './replicated/claims.ts'
import { createCommands } from './replicated/commands.ts'
import { createCopies } from './replicated/copies.ts'
import { createFollower } from './replicated/follower.ts'
import { createLogClock } from './replicated/clock.ts'
import { createLeader } from './replicated/leader.ts'
import type { Lags } from './replicated/lag.ts'
import type { LogTraffic, ReplicatedLog } from './replicated/log.ts'
import { echoName, sessionKeyOf } from './replicated/names.ts'
import { createScale, type FullCopyLimits } from './replicated/scale.ts'
import { createSweeper } from './replicated/sweep.ts'
import { withReason } from './replicated/trouble.ts'
import type { IndexedSessionStore, SessionCopies, SweptSession } from './store.ts'

export type {
  LogChange,
  LogEntry,
  LogListener,
  LogTraffic,
  LogValue,
  LogWatch,
  ReplicatedLog,
} from './replicated/log.ts'
export type { Lags } from './replicated/lag.ts'
export type { FullCopyLimits } from './replicated/scale.ts'
export {
  createMemoryLog,
  type MemoryLog,
  type MemoryLogLink,
  type MemoryLogOptions,
} from './replicated/memory-log.ts'
export { natsConnectionOptions } from './replicated/nats-connection.ts'
export { createNatsLog, type NatsLogOptions } from './replicated/nats-log.ts'

/** Options of {@link createReplicatedStore}. */
export interface ReplicatedStoreOptions {
  /**
   * Age of the newest proof of freshness from which on no read is answered from the copy, in milliseconds.
   *
   * @default 2_000
   */
  readonly bound?: number
  /**
   * How often a proof is asked for, in milliseconds.
   *
   * @default a fifth of the bound
   */
  readonly interval?: number
  /**
   * What the copies hold: `'full'` sessions; `'metadata'` only, so that every read asks the leader, but versions,
   * removals and the index by user stay here; `'auto'` is full up to {@link FullCopyLimits}.
   *
   * @default 'auto'
   */
  readonly copy?: 'auto' | 'full' | 'metadata'
  /** Where `'auto'` stops being full. */
  readonly fullCopyLimits?: FullCopyLimits
  /**
   * Longest wait for this server's watch to catch up when the sessions of a user are listed, in milliseconds. Keep it
   * below the deadline that the engine gives its store.
   *
   * @default 400
   */
  readonly patience?: number
  /**
   * Age of the newest proof up to which the outage policy `'stale'` may serve a copy, in milliseconds. Beyond the bound,
   * a session that was revoked on another server may let somebody in for as long.
   *
   * @default the bound
   */
  readonly allowStaleFor?: number
  /** Local clock, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
  /** Monotonic clock, in milliseconds. @default performance.now */
  readonly monotonic?: () => number
  /** Source of jitter, from 0 to 1. @default Math.random */
  readonly random?: () => number
}

/** What the strategy costs, and how fresh the copy is. */
export interface ReplicatedStats {
  /** Sessions in the copy, expired ones included. */
  readonly sessions: number
  /** Bytes that they take up. */
  readonly copyBytes: number
  /** Whether the copy has the data of the sessions, too. */
  readonly isFull: boolean
  /** Age of the newest proof of freshness in milliseconds; `Infinity` when there is none. */
  readonly leaseAge: number
  /** Whether reads may be answered from the copy now. */
  readonly isLive: boolean
  /** From the acknowledgement of an entry of this server to its return by the watch, in milliseconds. */
  readonly lag: Lags
  /** Reads answered from the copy. */
  readonly localReads: number
  /** Questions to the leader, for reads and before writes. */
  readonly leaderReads: number
  /** Answers of the leader that a compare-and-set had to confirm, as there was no proven copy beside them. */
  readonly confirmations: number
  /** Creates, writes, touches and deletions of this server that took effect. */
  readonly writes: number
  /** Changes of sessions on any server that the watch brought. */
  readonly changes: number
  /** Times that a watch was begun; the first is 1. */
  readonly watches: number
  /** Servers that follow the log, as far as heard of lately. */
  readonly servers: number
  /** Writes per second on all servers together. */
  readonly writesPerSecond: number
  /** All messages and bytes of the connection. */
  readonly traffic: LogTraffic
  /** Messages of this connection for each change of a session on any server, echoes and questions included. */
  readonly messagesPerChange: number
  /** Bytes of this connection for each change of a session on any server. */
  readonly bytesPerChange: number
}

/** What {@link createReplicatedStore} makes. */
export interface ReplicatedStore extends IndexedSessionStore {
  readonly now: () => Promise<number>
  readonly sweep: (limit: number) => Promise<readonly SweptSession[]>
  readonly copies: SessionCopies
  /**
   * Resolves when this server holds a full copy that is proven fresh. Do not let it have requests before.
   *
   * It rejects when the store is closed first.
   */
  readonly ready: Promise<void>
  /** What the strategy costs, and how fresh the copy is. */
  stats(): ReplicatedStats
  /** Ends the watch and the timers. The connection of the log stays open: whoever made it closes it. */
  close(): Promise<void>
}

/**
 * Creates a store on a distributed log that several servers share. It begins to copy at once.
 *
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * const connection = await connect({ servers, ...natsConnectionOptions })
 * const store = createReplicatedStore(createNatsLog(connection))
 * await store.ready
 * const sessions = createSessions(store)
 * ```
 */
export function createReplicatedStore(
  log: ReplicatedLog,
  options: ReplicatedStoreOptions = {},
): ReplicatedStore {
  const { bound = 2_000, copy: wanted = 'auto', fullCopyLimits = {}, patience = 400 } = options
  const { allowStaleFor = bound } = options
  const { interval = bound / 5, now: wall = Date.now, random = Math.random } = options
  const { monotonic = () => performance.now() } = options
  checkPositive({ bound, interval, patience, allowStaleFor, ...fullCopyLimits })

  const scale = createScale(fullCopyLimits, monotonic)
  let copyBytes = 0
  let changes = 0
  const wantsData = () => (wanted === 'auto' ? scale.wantsData(copyBytes) : wanted === 'full')
  const follower = createFollower(log, {
    bound,
    interval,
    patience,
    wall,
    monotonic,
    random,
    wantsData,
    onChange(entry) {
      scale.count(entry)
      claims.deliver(entry)
      if (sessionKeyOf(entry.key) !== undefined) changes += 1
    },
  })
  const claims: Claims = createClaims(log, follower.owner)
  const clock = createLogClock(log, echoName(`${follower.owner}-clock`), wall)
  const leader = createLeader(log, follower)
  const commands = createCommands({ log, follower, leader, claims, clock })
  const copies = createCopies(follower, { allowStaleFor, fresh: (key) => commands.store.read(key) })
  const sweep = createSweeper(log, follower, () => clock.now())
  const resizing = setInterval(resize, bound).unref()

  /** Builds the other kind of copy when the installation has outgrown this one. */
  function resize(): void {
    const { copy } = follower
    // A copy of metadata does not tell what a full one would take up.
    if (copy?.full) copyBytes = copy.bytes
    if (copy && copy.full !== wantsData()) follower.restart()
  }

  return {
    name: 'replicated',
    ready: follower.ready,
    now: () => withReason('ask for the time', () => clock.ask()),
    ...commands.store,
    copies: copies.store,
    sweep: (limit) => withReason('sweep', () => sweep(limit)),
    stats() {
      const traffic = log.traffic()
      const { copy } = follower
      return {
        sessions: copy?.size ?? 0,
        copyBytes: copy?.bytes ?? 0,
        isFull: copy?.full ?? false,
        leaseAge: follower.lease.age(),
        isLive: follower.lease.isLive(),
        lag: follower.lag.read(),
        localReads: copies.reads,
        leaderReads: leader.reads,
        confirmations: leader.confirmations,
        writes: commands.writes,
        changes,
        watches: follower.watches,
        servers: scale.servers,
        writesPerSecond: scale.writesPerSecond,
        traffic,
        messagesPerChange: changes === 0 ? 0 : (traffic.messagesIn + traffic.messagesOut) / changes,
        bytesPerChange: changes === 0 ? 0 : (traffic.bytesIn + traffic.bytesOut) / changes,
      }
    },
    async close() {
      clearInterval(resizing)
      await follower.close()
    },
  }
}

function checkPositive(values: Readonly<Record<string, number>>): void {
  for (const [name, value] of Object.entries(values)) {
    if (value > 0) continue
    throw new RangeError(`Cannot create a replicated store as ${name} must be > 0: received ${value}`)
  }
}
