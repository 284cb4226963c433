/**
 * The tables of the PostgreSQL store, as migrations that are applied once each and in order.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import { codeOf } from './errors.ts'
import type { PostgresNames } from './names.ts'
import { dropTriggers, makeTriggers } from './notify.ts'
import type { RunStatement } from './run.ts'

/**
 * Brings the tables up to date. Of several processes one does the work, the others find it done.
 *
 * @param notify Whether changes are told; `undefined` leaves that as it is.
 */
export async function applyMigrations(
  run: RunStatement,
  names: PostgresNames,
  notify: boolean | undefined,
): Promise<void> {
  if ((await readVersion(run, names)) < migrations.length) {
    try {
      await run(exclusively(names, migrateStep(names)))
    } catch (error) {
      // With a stricter isolation level than the usual one, whoever waited for the lock does not see what was done.
      if (!/^(40001|23505|42P0[67]|42710)$/.test(codeOf((error as Error).cause))) throw error
      if ((await readVersion(run, names)) < migrations.length) throw error
    }
  }
  if (notify === undefined) return
  await run(exclusively(names, notify ? makeTriggers(names) : dropTriggers(names)))
}

/**
 * Version of the tables; 0 when there are none.
 *
 * @throws {StoreUnavailableError} when a newer release has made them.
 */
export async function readVersion(run: RunStatement, { migrations: table }: PostgresNames): Promise<number> {
  const [known] = await run('SELECT to_regclass($1)::text', [table])
  if (typeof known?.[0] !== 'string') return 0
  const [row] = await run(`SELECT max(version)::text FROM ${table}`)
  const version = Number(row?.[0] ?? 0)
  if (version <= migrations.length) return version
  throw new StoreUnavailableError(
    `Cannot use the PostgreSQL session store: its tables have version ${version} and this release of coatcheck ` +
      `knows up to ${migrations.length}; upgrade coatcheck`,
  )
}

/**
 * Each entry takes the tables one version further; entries are added, never changed.
 *
 * Servers of the version before go on working while a new one is rolled out, so a migration may add a column with a
 * default or a table, but not rename or drop what is in use.
 */
export const migrations: readonly ((names: PostgresNames) => string)[] = [
  // Text is compared byte by byte: the collation of a database may hold two user ids for equal, and an upgrade of the
  // operating system may change it under an index.
  //
  // Every use of a session moves expires_at. Were it indexed, each touch would write a new entry into all three
  // indexes; so what is indexed is sweep_at, the instant at which the sweep looks at the session, never later than
  // expires_at. Touches and most writes leave it alone, and stay within their page where the fillfactor left room.
  ({ table, tableName, corrupt }) => `
    CREATE TABLE ${table} (
      key text COLLATE "C" NOT NULL PRIMARY KEY,
      version bigint NOT NULL CHECK (version > 0),
      data text NOT NULL,
      principal text COLLATE "C",
      created_at float8 NOT NULL CHECK (created_at >= 0 AND created_at < 'Infinity'),
      last_seen_at float8 NOT NULL CHECK (last_seen_at >= 0 AND last_seen_at < 'Infinity'),
      expires_at float8 NOT NULL CHECK (expires_at >= 0 AND expires_at < 'Infinity'),
      sweep_at float8 NOT NULL CHECK (sweep_at <= expires_at)
    ) WITH (fillfactor = 90);
    CREATE INDEX "${tableName}_by_principal" ON ${table} (principal) WHERE principal IS NOT NULL;
    CREATE INDEX "${tableName}_by_sweep_at" ON ${table} (sweep_at);
    CREATE TABLE ${corrupt} (
      id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
      set_aside_at timestamptz NOT NULL DEFAULT now(),
      key text, version bigint, data text, principal text,
      created_at float8, last_seen_at float8, expires_at float8
    );`,
]

/** All that is missing in one statement, which is done or not done as a whole. */
function migrateStep(names: PostgresNames): string {
  const { schema, migrations: table } = names
  const steps = migrations.map(
    (migration, index) => `
      IF NOT EXISTS (SELECT FROM ${table} WHERE version >= ${index + 1}) THEN
        ${migration(names)}
        INSERT INTO ${table} (version) VALUES (${index + 1});
      END IF;`,
  )
  return `
    IF to_regnamespace('"${schema}"') IS NULL THEN CREATE SCHEMA "${schema}"; END IF;
    IF to_regclass('${table}') IS NULL THEN
      CREATE TABLE ${table} (version integer PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now());
    END IF;
    ${steps.join('')}`
}

/** A block runs as one statement in a transaction of its own, over any client and any pooler. */
function exclusively({ table }: PostgresNames, steps: string): string {
  return `DO $coatcheck$ BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('coatcheck migration ${table}', 0));
    PERFORM set_config('client_min_messages', 'warning', true);
    ${steps}
  END $coatcheck$`
}
