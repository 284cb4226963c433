/**
 * Names of what the store has in the database.
 *
 * @module
 */

import { createHash } from 'node:crypto'

/** Where the sessions are. */
export interface PostgresTableOptions {
  /**
   * Schema of the tables: letters, digits and `_`.
   *
   * @default 'public'
   */
  readonly schema?: string
  /**
   * Table of the sessions: letters, digits and `_`, at most 40. Further tables are named after it.
   *
   * @default 'coatcheck_sessions'
   */
  readonly tableName?: string
}

/** Every name, quoted where it goes into a statement. */
export interface PostgresNames {
  readonly schema: string
  readonly tableName: string
  /** The table of the sessions, quoted and with its schema; a part's name goes in the place of `$`. */
  readonly table: string
  readonly corrupt: string
  readonly migrations: string
  /** What uses the tables, for messages. @default 'PostgreSQL session store' */
  readonly user?: string
  /** What makes them, for messages. @default 'migratePostgresStore(client)' */
  readonly migrate?: string
  /** Function and trigger that tell of changes. */
  readonly notify: string
  /** Channel of the changes. Channels belong to the database, so the schema is in its name. */
  readonly channel: string
}

/**
 * Checks schema and table name, which become part of every statement.
 *
 * @throws {RangeError} when one holds more than letters, digits and `_`.
 */
export function nameTables({
  schema = 'public',
  tableName = 'coatcheck_sessions',
}: PostgresTableOptions): PostgresNames {
  // PostgreSQL cuts names at 63 bytes; the longest suffix has 16.
  assertName('schema', schema, 63)
  assertName('tableName', tableName, 40)
  const quote = (suffix: string) => `"${schema}"."${tableName}${suffix}"`
  const digest = createHash('sha256').update(quote('')).digest('hex').slice(0, 32)
  return {
    schema,
    tableName,
    table: quote(''),
    corrupt: quote('_corrupt'),
    migrations: quote('_migrations'),
    notify: quote('_notify'),
    channel: `coatcheck_${digest}`,
  }
}

function assertName(option: string, name: string, longest: number): void {
  if (/^(?!pg_)[a-z_][a-z0-9_]*$/i.test(name) && name.length <= longest) return
  throw new RangeError(
    `Cannot use a PostgreSQL store as ${option} must be letters, digits and _, at most ${longest}`,
  )
}
