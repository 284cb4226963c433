/**
 * Revocations in PostgreSQL, pushed by `LISTEN` and `NOTIFY`.
 *
 * @module
 */

import type { PostgresClient, PostgresConnect } from '../../stores/postgres.ts'
import { openListener } from '../../stores/postgres/listener.ts'
import { nameTables, type PostgresNames } from '../../stores/postgres/names.ts'
import { createRunner, type RunStatement } from '../../stores/postgres/run.ts'
import type { RevocationEntry, RevocationListener, RevocationLog } from '../revocation-log.ts'
import { keepConnected } from './channel.ts'
import { identityOf } from './denials.ts'
import { decodeEntry, encodeEntry } from './entry-text.ts'

/** Where the revocations are. */
export interface PostgresRevocationOptions {
  /** Schema of the tables: letters, digits and `_`. @default 'public' */
  readonly schema?: string
  /** Table of the revocations: letters, digits and `_`, at most 40. @default 'coatcheck_revocations' */
  readonly tableName?: string
}

/**
 * Creates a log in PostgreSQL 12 or newer, in tables that {@link migratePostgresRevocations} has made.
 *
 * Notifications do not pass a pooler in transaction mode, so that nothing is ever known to be fresh: `connect` goes to the server.
 *
 * @param client A pool of `pg`, or a client of `postgres`. It stays open.
 * @param connect Makes a connection to listen on, as for `createPostgresInvalidations`. The log ends it.
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * await migratePostgresRevocations(pool)
 * const log = createPostgresRevocationLog(pool, () => new pg.Client({ connectionString }))
 * ```
 */
export function createPostgresRevocationLog(
  client: PostgresClient,
  connect: PostgresConnect,
  options: PostgresRevocationOptions = {},
): RevocationLog {
  const names = readNames(options)
  const run = createRunner(client, names, { prepare: true, queryTimeout: 2_000 })
  const sql = writeStatements(names)

  return {
    name: 'postgres',

    async now() {
      const [row] = await run(sql.now)
      return Number(row?.[0])
    },

    async append(entry) {
      await run(sql.append, [identityOf(entry), encodeEntry(entry), entry.expiresAt, names.channel])
    },

    async snapshot() {
      const rows = await run(sql.snapshot)
      const entries = rows.map(([, text]) => decodeEntry(text)).filter(isEntry)
      return { sequence: Number(rows[0]?.[0] ?? 0), entries }
    },

    subscribe(listener) {
      const connection = keepConnected(
        'PostgreSQL',
        ({ isCurrent, onEnd }) =>
          openListener(connect, names, {
            onMessage: (message) => isCurrent() && tell(listener, message),
            onEnd,
          }),
        () => listener.broken(),
      )
      return {
        async echo(nonce) {
          await connection.current().run(sql.echo, [names.channel, nonce])
        },
        async close() {
          connection.close()
        },
      }
    },
  }
}

/**
 * Makes the tables of {@link createPostgresRevocationLog}. It may run any number of times and in several processes.
 *
 * @throws {StoreUnavailableError} when the database cannot be migrated.
 * @throws {RangeError} when an option is out of range.
 */
export async function migratePostgresRevocations(
  client: PostgresClient,
  options: PostgresRevocationOptions = {},
): Promise<void> {
  const names = readNames(options)
  const run = createRunner(client, names, { prepare: false, queryTimeout: 0 })
  await makeTables(run, names)
}

async function makeTables(run: RunStatement, names: PostgresNames): Promise<void> {
  const { schema, table } = names
  // A block is one statement, in a transaction of its own. Whoever comes second waits, and finds it done.
  await run(`DO $coatcheck$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('coatcheck migration ${table}', 0));
    IF to_regnamespace('"${schema}"') IS NULL THEN CREATE SCHEMA "${schema}"; END IF;
    IF to_regclass('${table}') IS NULL THEN
      CREATE TABLE ${table} (
        identity text COLLATE "C" NOT NULL PRIMARY KEY,
        entry text NOT NULL,
        expires_at float8 NOT NULL
      );
      CREATE INDEX ON ${table} (expires_at);
      CREATE TABLE ${sequenceOf(names)} (one boolean PRIMARY KEY DEFAULT true CHECK (one), sequence bigint NOT NULL);
      INSERT INTO ${sequenceOf(names)} (sequence) VALUES (0);
    END IF;
  END $coatcheck$`)
}

function writeStatements(names: PostgresNames) {
  const { table } = names
  const sequence = sequenceOf(names)
  const now = '(extract(epoch FROM clock_timestamp()) * 1000)::float8'
  return {
    now: `SELECT ${now}`,
    /**
     * identity, entry, expiresAt, channel. The row of the counter is locked until the commit, so numbers have no gaps and
     * are told in their order.
     */
    append: `
      WITH head AS (UPDATE ${sequence} SET sequence = sequence + 1 RETURNING sequence),
      expired AS (
        DELETE FROM ${table} WHERE identity IN
          (SELECT identity FROM ${table} WHERE expires_at <= ${now} AND identity <> $1 LIMIT 100 FOR UPDATE SKIP LOCKED)
      ),
      entry AS (
        INSERT INTO ${table} (identity, entry, expires_at) VALUES ($1, $2, $3::float8)
        ON CONFLICT (identity) DO UPDATE SET entry = excluded.entry, expires_at = excluded.expires_at
          WHERE ${table}.expires_at < excluded.expires_at
      )
      SELECT pg_notify($4, '+' || sequence || ' ' || $2) IS NULL FROM head`,
    /** One statement sees one moment: the number, and the entries up to it. */
    snapshot: `
      SELECT sequence, entry FROM ${sequence} LEFT JOIN ${table} ON expires_at > ${now}`,
    /** channel, nonce. The row is locked, or an entry might be told between the number and its being told. */
    echo: `
      SELECT pg_notify($1, '=' || sequence || ' ' || $2) IS NULL FROM (SELECT sequence FROM ${sequence} FOR SHARE) head`,
  }
}

/** A message is `+<number> <entry>` or `=<number> <nonce>`. */
function tell(listener: RevocationListener, message: string): void {
  const [, type, number, body = ''] = /^([+=])(\d+) (.*)$/s.exec(message) ?? []
  if (type === '+') listener.appended(Number(number), decodeEntry(body))
  else if (type === '=') listener.echoed(body, Number(number))
}

function sequenceOf({ schema, tableName }: PostgresNames): string {
  return `"${schema}"."${tableName}_sequence"`
}

function readNames({
  schema = 'public',
  tableName = 'coatcheck_revocations',
}: PostgresRevocationOptions): PostgresNames {
  const names = nameTables({ schema, tableName })
  return { ...names, user: 'PostgreSQL revocation log', migrate: 'migratePostgresRevocations(client)' }
}

function isEntry(entry: RevocationEntry | undefined): entry is RevocationEntry {
  return entry !== undefined
}
