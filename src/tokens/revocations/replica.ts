/**
 * Keeps the denials of this process in step with the log.
 *
 * It listens first and reads everything afterwards, so nothing falls between. A number that is missing means that
 * everything is read again. A nonce that comes back together with the number of the newest entry proves that nothing
 * was missed; when no proof comes for longer than the bound, the channel is torn down and built anew.
 *
 * @module
 */

import { createLease, type Lease, type LeaseOptions } from '../../freshness/lease.ts'
import type {
  RevocationEntry,
  RevocationListener,
  RevocationLog,
  RevocationSubscription,
} from '../revocation-log.ts'
import type { LogClock } from './clock.ts'
import type { Denials } from './denials.ts'

/** A copy of the log. */
export interface Replica {
  /** Whether everything that was acknowledged longer ago than the bound is known. */
  isLive(): boolean
  /** Age of the newest proof in milliseconds; `Infinity` when there is none. */
  age(): number
  /** Number of the newest entry up to which all are known; `undefined` before the first snapshot. */
  readonly sequence: number | undefined
  /** How often everything was read. */
  readonly snapshots: number
  /** How many entries this process gave back to a log that had lost them. */
  readonly restored: number
  close(): Promise<void>
}

/** Options of {@link createReplica}. */
export interface ReplicaOptions extends LeaseOptions {
  readonly bound: number
  /** Told of a snapshot that could not be read, or entries that could not be given back. */
  readonly onError: (error: unknown) => void
  /** Told of entries that the log had lost and has again. */
  readonly onRestore: (count: number) => void
}

/** Pause before everything is read again after a failure, in milliseconds; it doubles up to {@link LONGEST_PAUSE}. */
const SHORTEST_PAUSE = 50
const LONGEST_PAUSE = 2_000

/** What expires within so many milliseconds may be missing for that reason. */
const EXPIRING = 10_000

/** How often the clocks are compared, in milliseconds. */
const SYNC_INTERVAL = 30_000

/** Starts a replica. Its timers do not keep the process alive. */
export function createReplica(
  log: RevocationLog,
  denials: Denials,
  clock: LogClock,
  options: ReplicaOptions,
): Replica {
  const { bound, onError, onRestore } = options
  let applied: number | undefined
  let snapshots = 0
  let restored = 0
  let failures = 0
  /** From when it is known that everything has to be read until that is done. */
  let reading = false
  let isScheduled = false
  let outdated = false
  let closed = false
  /** Numbers that came in while everything was being read, each with the one before. */
  let waiting: (readonly [after: number, sequence: number])[] = []
  let subscription: RevocationSubscription | undefined
  let retry: NodeJS.Timeout | undefined

  function advance(sequence: number, after: number): void {
    if (reading || applied === undefined) waiting.push([after, sequence])
    // One that is known comes again after a snapshot.
    else if (sequence <= applied) return
    else if (after <= applied) applied = sequence
    else read()
  }

  function createListener(): RevocationListener {
    const isCurrent = () => listener === current
    const listener: RevocationListener = {
      appended(sequence, entry, after = sequence - 1) {
        if (!isCurrent()) return
        // A denial is true no matter when it is heard of, so it never waits for its turn.
        if (entry) denials.add(entry, clock.now())
        advance(sequence, after)
      },
      echoed(nonce, sequence) {
        if (!isCurrent() || reading || applied === undefined) return
        if (sequence !== applied) read()
        else {
          failures = 0
          lease.confirm(nonce)
        }
      },
      broken() {
        if (isCurrent()) read()
      },
    }
    return listener
  }

  function listen(): void {
    // Whatever the old channel still tells is not listened to: it may have missed something.
    void subscription?.close().catch(onError)
    current = createListener()
    subscription = log.subscribe(current)
  }

  /** Reads everything, as soon as that is not about to be done already. */
  function read(): void {
    if (closed || isScheduled) return
    if (reading) {
      outdated = true
      return
    }
    reading = true
    isScheduled = true
    // The first time at once; then with jitter, so that all servers do not read together after an outage.
    const pause = failures === 0 ? 0 : Math.min(SHORTEST_PAUSE * 2 ** failures, LONGEST_PAUSE)
    failures++
    retry = setTimeout(() => void readAll(), pause * (0.5 + Math.random() / 2)).unref()
  }

  async function readAll(): Promise<void> {
    isScheduled = false
    outdated = false
    const before = applied
    const held = denials.list(clock.now())
    try {
      await clock.sync()
      const { sequence, entries } = await log.snapshot()
      if (closed) return
      snapshots++
      for (const entry of entries) denials.add(entry, clock.now())
      if (before !== undefined) await restore(held, entries)
      applied = sequence
      catchUp()
    } catch (error) {
      outdated = true
      onError(error)
    } finally {
      reading = false
    }
    if (outdated) read()
    else lease.probe()
  }

  function catchUp(): void {
    const numbers = waiting.sort(([, one], [, other]) => one - other)
    waiting = []
    for (const [after, sequence] of numbers) {
      if (after > applied!) outdated = true
      else applied = Math.max(applied!, sequence)
    }
  }

  /** Gives back what the log has lost: a server that starts now would accept those tokens. */
  async function restore(
    held: readonly RevocationEntry[],
    entries: readonly RevocationEntry[],
  ): Promise<void> {
    const known = new Map<string, number>()
    for (const { kind, subject, validFrom } of entries) {
      const name = `${kind}\n${subject}`
      known.set(name, Math.max(validFrom, known.get(name) ?? 0))
    }
    const soon = clock.now() + EXPIRING
    const lost = held.filter(({ kind, subject, validFrom, expiresAt }) => {
      const there = known.get(`${kind}\n${subject}`)
      return expiresAt > soon && (there === undefined || there < validFrom)
    })
    for (const entry of lost) {
      await log.append(entry)
      restored++
    }
    if (lost.length > 0) onRestore(lost.length)
  }

  let current: RevocationListener = createListener()
  const lease: Lease = createLease(
    (nonce) => subscription?.echo(nonce) ?? Promise.reject(new Error('Not listening')),
    options,
  )
  listen()
  read()

  const supervision = setInterval(
    () => {
      if (lease.isLive()) return
      listen()
      read()
    },
    bound * (1 + Math.random() / 4),
  ).unref()
  const comparison = setInterval(() => void clock.sync().catch(onError), SYNC_INTERVAL).unref()

  return {
    isLive: () => applied !== undefined && lease.isLive(),
    age: () => lease.age(),
    get sequence() {
      return applied
    },
    get snapshots() {
      return snapshots
    },
    get restored() {
      return restored
    },
    async close() {
      closed = true
      clearInterval(supervision)
      clearInterval(comparison)
      clearTimeout(retry)
      lease.stop()
      await subscription?.close()
    },
  }
}
