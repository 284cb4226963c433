/**
 * Tells of changed sessions by reading SQLite's outbox again and again.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { setImmediate as nextTurn } from 'node:timers/promises'
import type { InvalidationFeed, InvalidationListener, InvalidationSubscription } from '../invalidations.ts'
import { StoreUnavailableError } from '../store.ts'
import type { SqliteDatabase } from '../sqlite.ts'
import { isLocked } from './errors.ts'
import { createLockQueue, type LockQueue } from './lock-queue.ts'
import { openOutbox, type Outbox, type OutboxRow } from './outbox.ts'
import { fromText } from '../plain-text.ts'
import { assertTableName } from './schema.ts'

/** Options of {@link createSqliteInvalidations}. */
export interface SqliteInvalidationsOptions {
  /** Table of the sessions, as given to `createSqliteStore`. @default 'coatcheck_sessions' */
  readonly tableName?: string
  /** How often the outbox is read, in milliseconds. @default 100 */
  readonly interval?: number
  /** How long a call waits for a lock that another process holds, in milliseconds. @default 400 */
  readonly busyTimeout?: number
}

/** Rows read in one go, some hundred microseconds. */
const BATCH = 500

/** Rows that a nonce removes at most, some milliseconds of the write lock. */
const TRIM = 2_000

/** How long rows stay for those who read late, in milliseconds. Whoever misses some is told that anything may have changed. */
const RETENTION = 60_000

/**
 * Creates a feed on a database whose outbox `migrateSqliteStore(database, { outbox: true })` has made.
 *
 * The connection may be that of the store. It is neither opened nor closed here.
 *
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * await migrateSqliteStore(database, { outbox: true })
 * const store = createNearCache(createSqliteStore(database), createSqliteInvalidations(database))
 * ```
 */
export function createSqliteInvalidations(
  database: SqliteDatabase,
  options: SqliteInvalidationsOptions = {},
): InvalidationFeed {
  const { tableName = 'coatcheck_sessions', interval = 100, busyTimeout = 400 } = options
  assertTableName(tableName)
  if (!(interval > 0 && interval < 2 ** 31)) {
    throw new RangeError(`Cannot create an SQLite feed as interval must be > 0: received ${interval}`)
  }
  const queue = createLockQueue(database, { tableName, busyTimeout })
  const outbox = openOutbox(database, tableName)
  return {
    name: 'sqlite',
    subscribe: (listener) => follow(outbox, queue, interval, listener),
  }
}

/** The last row that was read. It is read again with those after it, to see that it is still the same table. */
interface Position extends OutboxRow {
  readonly schemaVersion: number
}

/** Reads the outbox until it is closed. */
function follow(
  outbox: Outbox,
  queue: LockQueue,
  interval: number,
  listener: InvalidationListener,
): InvalidationSubscription {
  const sent: { readonly seq: number; readonly at: number }[] = []
  let position: Position | undefined
  let hadPosition = false
  let isBroken = false
  let isClosed = false
  let timer = setTimeout(() => void poll(), 0).unref()

  async function poll(): Promise<void> {
    try {
      while (await advance()) await nextTurn()
    } catch (error) {
      // A lock delays what is read, and loses nothing.
      if (!isClosed && !isLocked((error as Error).cause)) breakOff()
    }
    if (!isClosed) timer = setTimeout(() => void poll(), interval).unref()
  }

  function breakOff(): void {
    if (!isBroken) listener.broken()
    isBroken = true
  }

  /** Reads some rows, and tells of them. Resolves to whether there may be more. */
  async function advance(): Promise<boolean> {
    if (isClosed) return false
    const from = position ?? (await takePosition())
    const batch = await queue.read(() => ({
      rows: outbox.readFrom(Number(from.seq), BATCH),
      // Asked after the rows were read: what dropped a trigger before them has changed it.
      schemaVersion: outbox.schemaVersion(),
    }))
    if (isClosed) return false
    if (batch.schemaVersion !== from.schemaVersion || !isContinued(from, batch.rows)) {
      position = undefined
      return true
    }
    const last = batch.rows.at(-1)
    if (last) position = { ...last, schemaVersion: from.schemaVersion }
    isBroken = false
    for (const row of batch.rows.slice(1)) tell(row)
    return batch.rows.length === BATCH
  }

  /** Begins at a row of its own. When there was a position before, what came after it may be lost. */
  async function takePosition(): Promise<Position> {
    const nonce = `start.${randomBytes(12).toString('base64url')}`
    const taken = await queue.write(() => {
      outbox.assertInstalled()
      return { seq: outbox.writeNonce(nonce), key: null, nonce, schemaVersion: outbox.schemaVersion() }
    })
    // Told after the new position was taken: what is changed from here on will be read.
    if (hadPosition && !isClosed) listener.changedAll()
    hadPosition = true
    position = taken
    return taken
  }

  function tell({ key, nonce }: OutboxRow): void {
    if (isClosed) return
    if (key !== null) listener.changed(fromText(key))
    else if (nonce !== null) listener.echoed(nonce)
  }

  return {
    async echo(nonce) {
      if (isClosed)
        throw new StoreUnavailableError('Cannot send a nonce through SQLite as the feed is closed')
      await queue.write(() => {
        outbox.assertInstalled()
        sent.push({ seq: outbox.writeNonce(nonce), at: performance.now() })
        const before = lastBefore(sent, performance.now() - RETENTION)
        if (before !== undefined) outbox.trim(before, TRIM)
      })
    },
    async close() {
      isClosed = true
      clearTimeout(timer)
    },
  }
}

/** Whether rows begin with the known one and lack none after it. */
function isContinued(from: OutboxRow, rows: readonly OutboxRow[]): boolean {
  const [first] = rows
  if (first?.key !== from.key || first.nonce !== from.nonce) return false
  return rows.every(({ seq }, index) => Number(seq) === Number(from.seq) + index)
}

/** Number of the newest own row that was written before an instant. Those before that one are forgotten. */
function lastBefore(
  sent: { readonly seq: number; readonly at: number }[],
  instant: number,
): number | undefined {
  while (sent[1] && sent[1].at < instant) sent.shift()
  return sent[0] && sent[0].at < instant ? sent[0].seq : undefined
}
