/**
 * Waits for SQLite's locks without blocking the event loop.
 *
 * @module
 */

import type { SqliteDatabase } from '../sqlite.ts'
import { isLocked, type SqliteUser, toUnavailable } from './errors.ts'

/** Runs database calls: at once while nobody holds a lock, otherwise in turn. */
export interface LockQueue {
  /** Runs a call that reads. In WAL mode it is not held up by writers, so it never queues behind them. */
  read<T>(call: () => T): Promise<T>
  /** Runs a call that writes in a transaction of its own, after those that are waiting already. */
  write<T>(call: () => T): Promise<T>
  /** Runs a call that sees to its transaction itself, after those that are waiting already. */
  administer<T>(call: () => T): Promise<T>
}

/** Options of {@link createLockQueue}. */
export interface LockQueueOptions {
  /** Named in error messages. */
  readonly tableName: string
  /** How long a call waits for a lock, in milliseconds. */
  readonly busyTimeout: number
  /** Set on the connection before the first call; `undefined` leaves it as it is. */
  readonly synchronous?: 'normal' | 'full' | undefined
  /** Named in error messages. @default the session store */
  readonly user?: SqliteUser
}

/** A call that met a lock. */
interface Waiter {
  readonly deadline: number
  /** Tries again; `true` when the call was answered, with a result or with an error. */
  readonly settle: () => boolean
  readonly giveUp: () => void
}

/**
 * Longest pause between two attempts, in milliseconds.
 *
 * A write holds the lock for some 30 µs. With 5 ms a waiter gets about 80 chances within the default timeout, and
 * an attempt that fails costs about 10 µs.
 */
const LONGEST_PAUSE = 5

/** How long answers are given in one go once the lock is free, in milliseconds, before others get the event loop. */
const SLICE = 4

/**
 * Creates a queue for one connection.
 *
 * However many calls wait, only the first of them tries again, so a thousand requests cost no more than one.
 *
 * @throws {RangeError} when an option is out of range.
 */
export function createLockQueue(
  database: SqliteDatabase,
  { tableName, busyTimeout, synchronous, user }: LockQueueOptions,
): LockQueue {
  if (!(busyTimeout >= 0 && busyTimeout < Number.POSITIVE_INFINITY)) {
    throw new RangeError(`Cannot create an SQLite store as busyTimeout must be >= 0: received ${busyTimeout}`)
  }
  if (![undefined, 'normal', 'full'].includes(synchronous)) {
    throw new RangeError("Cannot create an SQLite store as synchronous must be 'normal' or 'full'")
  }
  const waiters: Waiter[] = []
  let isSetUp = false

  function attempt<T>(call: () => T): T {
    // A libsql connection that was closed goes on answering prepared statements, from nowhere in particular.
    if (database.open === false) throw new Error('The database connection is closed')
    if (!isSetUp) {
      database.exec('PRAGMA busy_timeout = 0')
      if (synchronous !== undefined) database.exec(`PRAGMA synchronous = ${synchronous}`)
      isSetUp = true
    }
    return call()
  }

  function wait<T>(call: () => T, firstError: unknown): Promise<T> {
    return new Promise<T>((resolve, reject) => {
      let lastError = firstError
      waiters.push({
        deadline: performance.now() + busyTimeout,
        giveUp: () => reject(toUnavailable(lastError, tableName, user)),
        settle() {
          try {
            resolve(attempt(call))
          } catch (error) {
            lastError = error
            if (isLocked(error)) return false
            reject(toUnavailable(error, tableName, user))
          }
          return true
        },
      })
      if (waiters.length === 1) schedule(0)
    })
  }

  function schedule(round: number): void {
    if (round === 0) setImmediate(poll, round)
    else setTimeout(poll, Math.min(2 ** round / 2, LONGEST_PAUSE) * (0.5 + Math.random()), round)
  }

  function poll(round: number): void {
    const start = performance.now()
    for (let first = waiters[0]; first; first = waiters[0]) {
      if (performance.now() - start > SLICE) return schedule(0)
      if (!first.settle()) {
        if (first.deadline > performance.now()) return schedule(round + 1)
        first.giveUp()
      }
      waiters.shift()
    }
  }

  function run<T>(call: () => T, queues: boolean): Promise<T> {
    if (queues && waiters.length > 0) return wait(call, undefined)
    try {
      return Promise.resolve(attempt(call))
    } catch (error) {
      return isLocked(error) ? wait(call, error) : Promise.reject(toUnavailable(error, tableName, user))
    }
  }

  return {
    read: (call) => run(call, false),
    write: (call) => run(() => transact(database, call), true),
    administer: (call) => run(call, true),
  }
}

/**
 * Takes the write lock before the statements run, so that they never fail for want of it.
 *
 * libsql leaves a prepared statement that met SQLITE_BUSY active: what the connection writes after it is reported as
 * done and never committed. `exec` finalizes what it ran.
 */
function transact<T>(database: SqliteDatabase, call: () => T): T {
  database.exec('BEGIN IMMEDIATE')
  try {
    const result = call()
    database.exec('COMMIT')
    return result
  } catch (error) {
    rollBack(database)
    throw error
  }
}

/** Ends a transaction that failed; SQLite may have ended it already. */
export function rollBack(database: SqliteDatabase): void {
  try {
    database.exec('ROLLBACK')
  } catch {
    // The error that led here says more.
  }
}
