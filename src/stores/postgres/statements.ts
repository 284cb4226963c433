/**
 * Every statement of the PostgreSQL store.
 *
 * Each is atomic by itself and holds for the isolation level `read committed`: where it waited for another writer, it
 * looks at the row as that writer left it.
 *
 * @module
 */

import type { PostgresNames } from './names.ts'
import { COLUMNS } from './rows.ts'

/**
 * Time by the database's clock, in milliseconds since the Unix epoch, exact to the microsecond: seconds as `float8` times
 * 1,000 may be a little less than the millisecond they are. Unlike `now()` it goes on within a transaction.
 */
export const NOW = "(round(date_part('epoch', clock_timestamp()) * 1000000) / 1000)"

/** Separates texts that are bound as one: nothing has to be escaped, where JSON in a literal of `text[]` is full of quotes. */
export const SEPARATOR = '\x1f'

/** The statements by name. */
export type PostgresStatements = ReturnType<typeof writeStatements>

/** Writes the statements for a table. */
export function writeStatements({ table, corrupt }: PostgresNames) {
  const record = 'data, principal, created_at, last_seen_at, expires_at'
  return {
    now: `SELECT ${NOW}`,

    /** key, record. A conflict unless the row there has expired; its version goes on growing. */
    create: `
      INSERT INTO ${table} AS stored (key, version, ${record}, sweep_at) VALUES ($1, 1, $2, $3, $4, $5, $6, $6)
      ON CONFLICT (key) DO UPDATE SET
        version = stored.version + 1, (${record}, sweep_at) =
          (excluded.data, excluded.principal, excluded.created_at, excluded.last_seen_at, excluded.expires_at,
           excluded.sweep_at)
      WHERE stored.expires_at <= ${NOW}
      RETURNING version`,

    /** key */
    read: `SELECT ${COLUMNS} FROM ${table} WHERE key = $1 AND expires_at > ${NOW}`,

    /** keys, as a literal of text[] */
    readMany: `SELECT ${COLUMNS} FROM ${table} WHERE key = ANY ($1::text::text[]) AND expires_at > ${NOW}`,

    /**
     * key, record, version. The new version; 0 for a conflict; no row when the session is gone.
     *
     * A plain look would see the row as it was when the statement began, and call a session live whose deletion the
     * update has just waited for. To lock a row, PostgreSQL looks at it as it is by now. Nothing is locked when the
     * update found its row.
     */
    write: `
      WITH written AS (
        UPDATE ${table} SET version = version + 1, (${record}) = ($2, $3, $4, $5, $6), sweep_at = least(sweep_at, $6)
        WHERE key = $1 AND version = $7 AND expires_at > ${NOW}
        RETURNING version
      ), other AS (
        SELECT FROM ${table}
        WHERE key = $1 AND expires_at > ${NOW} AND NOT EXISTS (SELECT FROM written)
        FOR KEY SHARE
      )
      SELECT version FROM written UNION ALL SELECT 0 FROM other`,

    /**
     * keys, data and principals, joined by {@link SEPARATOR}; created_at, last_seen_at, expires_at and versions, as literals
     * of arrays. Each key once. The keys that were written and their new versions; it says nothing about the others.
     *
     * It waits for nobody: what is locked is skipped, and what is not is locked before it is updated.
     */
    writeMany: `
      WITH free AS MATERIALIZED (
        SELECT wanted.* FROM unnest(
          string_to_array($1, chr(31)), string_to_array($2, chr(31)), string_to_array($3, chr(31), ''),
          $4::text::float8[], $5::text::float8[], $6::text::float8[], $7::text::bigint[]
        ) AS wanted (key, ${record}, version) JOIN ${table} AS stored USING (key, version)
        FOR NO KEY UPDATE OF stored SKIP LOCKED
      )
      UPDATE ${table} AS stored SET
        version = stored.version + 1, (${record}, sweep_at) =
          (free.data, free.principal, free.created_at, free.last_seen_at, free.expires_at,
           least(stored.sweep_at, free.expires_at))
      FROM free
      WHERE stored.key = free.key AND stored.version = free.version AND stored.expires_at > ${NOW}
      RETURNING stored.key, stored.version`,

    /** key, lastSeenAt, expiresAt. It leaves every indexed column alone; see `schema.ts`. */
    touch: `
      UPDATE ${table} SET last_seen_at = greatest(last_seen_at, $2), expires_at = greatest(expires_at, $3)
      WHERE key = $1 AND expires_at > ${NOW}
      RETURNING 1`,

    /** key. An expired row is left to the sweep, which reports it. */
    delete: `DELETE FROM ${table} WHERE key = $1 AND expires_at > ${NOW} RETURNING ${COLUMNS}`,

    /** principal */
    list: `SELECT ${COLUMNS} FROM ${table} WHERE principal = $1 AND expires_at > ${NOW}`,

    /** key */
    quarantine: `
      WITH removed AS (DELETE FROM ${table} WHERE key = $1 RETURNING ${COLUMNS})
      INSERT INTO ${corrupt} (${COLUMNS}) SELECT ${COLUMNS} FROM removed RETURNING 1`,

    /**
     * lock, rows to look at, most to remove. First a row with the number of rows looked at, or none when another
     * server sweeps; then those removed.
     *
     * `sweep_at` says when to look at a session, not when it ends: one that was used since is filed anew.
     */
    sweep: `
      WITH clock AS MATERIALIZED (SELECT ${NOW} AS now),
      turn AS MATERIALIZED (SELECT pg_try_advisory_xact_lock(hashtextextended($1, 0)) AS mine),
      due AS MATERIALIZED (
        SELECT key, expires_at <= (SELECT now FROM clock) AS expired, expires_at FROM ${table}
        WHERE (SELECT mine FROM turn) AND sweep_at <= (SELECT now FROM clock)
        ORDER BY sweep_at LIMIT $2 FOR UPDATE SKIP LOCKED
      ), filed AS (
        UPDATE ${table} AS stored SET sweep_at = stored.expires_at FROM due
        WHERE stored.key = due.key AND NOT due.expired
      ), removed AS (
        DELETE FROM ${table} WHERE key IN (SELECT key FROM due WHERE expired ORDER BY expires_at LIMIT $3)
        RETURNING key, principal, expires_at
      )
      SELECT count(*)::text, NULL, NULL::float8 FROM due HAVING (SELECT mine FROM turn)
      UNION ALL SELECT key, principal, expires_at FROM removed`,
  } as const
}
