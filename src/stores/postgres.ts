/**
 * Sessions in PostgreSQL, through `pg` or `postgres` (postgres.js).
 *
 * @module
 */

import type { InvalidationFeed } from './invalidations.ts'
import { inspectServer } from './postgres/check.ts'
import { createFeed } from './postgres/feed.ts'
import { nameTables, type PostgresTableOptions } from './postgres/names.ts'
import { createReads } from './postgres/reads.ts'
import { decodeSession, findCorruption, recordParameters } from './postgres/rows.ts'
import { createRunner } from './postgres/run.ts'
import { applyMigrations } from './postgres/schema.ts'
import { writeStatements } from './postgres/statements.ts'
import { createSweeper } from './postgres/sweep.ts'
import { createWrites } from './postgres/writes.ts'
import { toText } from './plain-text.ts'
import type { IndexedSessionStore, SessionStore } from './store.ts'

export type { PostgresTableOptions } from './postgres/names.ts'

/** What the store binds. */
export type PostgresParameter = string | number | null

/** The columns of a row, in order. */
export type PostgresRow = readonly unknown[]

/** A statement, as `pg` takes it. */
export interface PgQuery {
  /** Name under which each connection prepares it; absent: not prepared. */
  readonly name?: string
  readonly text: string
  readonly values: PostgresParameter[]
  readonly rowMode: 'array'
  /** How long to wait for the answer before the connection is given up, in milliseconds; 0 for ever. */
  readonly query_timeout: number
}

/** The part of `pg`'s `Pool` and `Client` that the store uses. */
export interface PgClient {
  query(query: PgQuery): Promise<{ readonly rows: PostgresRow[] }>
  on?(event: 'error', listener: (error: Error) => void): unknown
  listenerCount?(event: 'error'): number
}

/** The part of `postgres` (postgres.js) that the store uses. */
export interface PostgresJsClient {
  unsafe(
    text: string,
    parameters: PostgresParameter[],
    options: { readonly prepare: boolean },
  ): { values(): PromiseLike<readonly PostgresRow[]> }
}

/** A client of either kind. */
export type PostgresClient = PgClient | PostgresJsClient

/** Options of {@link createPostgresStore}. */
export interface PostgresStoreOptions extends PostgresTableOptions {
  /**
   * Whether statements are prepared once for each connection, which saves the server from planning them anew. Not through
   * a pooler that changes the connection between statements and knows nothing of prepared ones, such as PgBouncer
   * before 1.21 with `pool_mode = transaction`.
   *
   * @default true
   */
  readonly prepare?: boolean
  /**
   * How long `pg` waits for an answer before it gives a connection up and opens another, in milliseconds; 0 for ever.
   * Without it, connections that a firewall has forgotten keep a pool busy for a quarter of an hour. `postgres` has no
   * such thing. One connection of a pool of several is kept for a minute: a server that merely stood still answers on it at
   * once.
   *
   * @default 2_000
   */
  readonly queryTimeout?: number
}

/** Options of {@link migratePostgresStore}. */
export interface PostgresMigrationOptions extends PostgresTableOptions {
  /**
   * Whether triggers tell of changed sessions, as {@link createPostgresInvalidations} needs it; `false` removes them.
   * They let commits of sessions wait for one another, so do without unless you listen.
   *
   * @default as it is
   */
  readonly notify?: boolean
}

/** What {@link createPostgresStore} makes. */
export type PostgresStore = IndexedSessionStore & Required<Pick<SessionStore, 'now' | 'sweep'>>

/**
 * Creates a store on a PostgreSQL database whose tables {@link migratePostgresStore} has made. PostgreSQL 12 or newer.
 *
 * It neither opens nor closes connections. Give it a pool, and give the pool a timeout for connecting: without one,
 * callers wait for a server that hangs for as long as it does. Reads that arrive together share a round trip, and so do
 * writes.
 *
 * @throws {RangeError} when an option is out of range.
 * @throws {TypeError} when the client is of neither kind.
 * @example
 * ```ts
 * const pool = new pg.Pool({ connectionString, connectionTimeoutMillis: 2_000, keepAlive: true })
 * // or: const pool = postgres(connectionString, { connect_timeout: 2, fetch_types: false })
 * await migratePostgresStore(pool)
 * for (const warning of await checkPostgresStore(pool)) console.warn(warning)
 * const sessions = createSessions(createPostgresStore(pool))
 * ```
 */
export function createPostgresStore(
  client: PostgresClient,
  options: PostgresStoreOptions = {},
): PostgresStore {
  const { prepare = true, queryTimeout = 2_000 } = options
  if (!(queryTimeout >= 0 && queryTimeout < 2 ** 31)) {
    throw new RangeError(
      `Cannot create a PostgreSQL store as queryTimeout must be >= 0: received ${queryTimeout}`,
    )
  }
  const names = nameTables(options)
  const run = createRunner(client, names, { prepare, queryTimeout, keepsOne: true })
  const sql = writeStatements(names)

  return {
    name: 'postgres',
    read: createReads(run, sql),
    write: createWrites(run, sql),
    sweep: createSweeper(run, sql.sweep, names),

    async now() {
      const [row] = await run(sql.now)
      return Number(row?.[0])
    },

    async create(key, record) {
      const [row] = await run(sql.create, [toText(key), ...recordParameters(record)])
      return row ? { outcome: 'written', version: Number(row[0]) } : { outcome: 'conflict' }
    },

    async touch(key, lastSeenAt, expiresAt) {
      const rows = await run(sql.touch, [toText(key), lastSeenAt, expiresAt])
      return rows.length > 0
    },

    async delete(key) {
      const [row] = await run(sql.delete, [toText(key)])
      return row && findCorruption(row) === undefined ? decodeSession(row) : undefined
    },

    async list(principal) {
      const rows = await run(sql.list, [toText(principal)])
      return rows.filter((row) => findCorruption(row) === undefined).map(decodeSession)
    },

    async quarantine(key) {
      const rows = await run(sql.quarantine, [toText(key)])
      return rows.length > 0
    },
  }
}

/**
 * Makes or updates the tables of {@link createPostgresStore}, and their schema if it is missing.
 *
 * Call it before the store is used: at start-up, or from a deployment step. It may run any number of times and in
 * several processes at once, and needs no right to create anything when there is nothing to do.
 *
 * @throws {StoreUnavailableError} when the database cannot be migrated, or comes from a newer release.
 * @throws {RangeError} when an option is out of range.
 * @throws {TypeError} when the client is of neither kind.
 */
export async function migratePostgresStore(
  client: PostgresClient,
  options: PostgresMigrationOptions = {},
): Promise<void> {
  const names = nameTables(options)
  const run = createRunner(client, names, { prepare: false, queryTimeout: 0 })
  await applyMigrations(run, names, options.notify)
}

/**
 * Looks for what would make the store unusable or its promises weaker, to be called when the application starts.
 *
 * @returns What is merely dangerous, a sentence each; empty when all is well.
 * @throws {StoreUnavailableError} when the store cannot work: the server is away, too old or a read-only replica, the
 * tables are missing, out of date or from a newer release, or the user may not use them.
 * @throws {RangeError} when an option is out of range.
 * @throws {TypeError} when the client is of neither kind.
 */
export async function checkPostgresStore(
  client: PostgresClient,
  options: PostgresTableOptions = {},
): Promise<readonly string[]> {
  const names = nameTables(options)
  const run = createRunner(client, names, { prepare: false, queryTimeout: 10_000 })
  return inspectServer(client, run, names)
}

/** A connection of `pg` that can listen: its `Client`. */
export interface PgListener extends PgClient {
  connect(): Promise<unknown>
  on(event: 'error', listener: (error: Error) => void): unknown
  on(event: 'end', listener: () => void): unknown
  on(event: 'notification', listener: (message: { readonly payload?: string | undefined }) => void): unknown
  end(): Promise<void>
}

/** A client of `postgres` that can listen. */
export interface PostgresJsListener extends PostgresJsClient {
  end(options: { readonly timeout: number }): Promise<void>
}

/** What a client of `postgres` must be made with so that it can listen. `pg` has no use for it. */
export interface PostgresListenOptions {
  readonly max: 1
  readonly connect_timeout: number
  readonly idle_timeout: number
  readonly max_lifetime: null
  readonly fetch_types: false
  readonly onnotify: (channel: string, payload: string) => void
  readonly onclose: () => void
}

/** Makes a connection of its own for a feed, which ends it. */
export type PostgresConnect = (options: PostgresListenOptions) => PgListener | PostgresJsListener

/**
 * Creates the feed of changed sessions for a near cache, by `LISTEN` and `NOTIFY` on a connection of its own.
 *
 * The triggers that tell of changes are made by `migratePostgresStore(client, { notify: true })`; without them, no
 * nonce comes back, and `echo` says so. Notifications do not pass a pooler in transaction mode, so that no copy is ever served:
 * connect to the server. Behind any pooler the feed makes a second client, to send nonces by.
 *
 * @param connect Makes a client that is not connected yet. The feed calls it for each attempt, and ends the client.
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * const feed = createPostgresInvalidations(() => new pg.Client({ connectionString, connectionTimeoutMillis: 2_000 }))
 * // or: createPostgresInvalidations((options) => postgres(connectionString, options))
 * ```
 */
export function createPostgresInvalidations(
  connect: PostgresConnect,
  options: PostgresTableOptions = {},
): InvalidationFeed {
  return createFeed(connect, nameTables(options))
}
