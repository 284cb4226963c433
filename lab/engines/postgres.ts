/**
 * Starts a real PostgreSQL, alone or with a synchronous standby.
 *
 * @module
 */

import { accountFor } from './account.ts'
import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { describePgBouncer, type PoolMode } from './pgbouncer.ts'
import { withFreePorts } from './ports.ts'
import {
  askPostgres,
  copyDatabase,
  createDatabase,
  describePostgresServer,
  formatPostgresUrl,
  type PostgresConfig,
} from './postgres-server.ts'
import { waitUntil } from './wait-until.ts'

/** Options of {@link startPostgres}. */
export interface PostgresOptions extends EngineOptions {
  /**
   * Whether a second server has everything before it is acknowledged. As long as it does not answer, nothing is.
   *
   * @default false
   */
  readonly standby?: boolean
  /**
   * Mode of a PgBouncer that stands before it, at {@link Postgres.poolerUrl}. It knows no password.
   *
   * @default there is none
   */
  readonly pooler?: PoolMode
  /**
   * Password of the user; without one, everybody on this machine is let in.
   *
   * @default none
   */
  readonly password?: string
  /**
   * More settings of `postgresql.conf`.
   *
   * @default small and durable
   */
  readonly config?: PostgresConfig
}

/** A running PostgreSQL. */
export interface Postgres extends EngineGroup {
  /** Address for any client: user `postgres`, database `postgres`. */
  readonly url: string
  /** Address of the standby, which can be read from, and promoted with `SELECT pg_promote()`; absent without one. */
  readonly standbyUrl?: string
  /** Address of the PgBouncer; absent without one. Its engine is called `pgbouncer`. */
  readonly poolerUrl?: string
}

const PRIMARY = 'postgres'
const STANDBY = 'standby'
const STANDBY_TIMEOUT = 20_000

/**
 * Starts a PostgreSQL of its own on a free port. Its engine is called `postgres`, that of its standby `standby`.
 *
 * @throws When it is not installed, or does not start.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { standby = false, pooler, password, config } = options
  const account = accountFor('postgres')
  return await withFreePorts(3, ([port = 0, standbyPort = 0, poolerPort = 0]) =>
    createGroup(
      options,
      async (group) => {
        const url = formatPostgresUrl(port, password)
        const primary = {
          name: PRIMARY,
          port,
          account,
          password,
          config: {
            ...(standby && { synchronous_standby_names: STANDBY, wal_keep_size: '64MB' }),
            ...config,
          },
        }
        await createDatabase(group, primary)
        await group.start(describePostgresServer(group, primary))
        if (pooler) await group.start(await describePgBouncer(group, poolerPort, pooler, primary))
        const urls = { url, ...(pooler && { poolerUrl: formatPostgresUrl(poolerPort, undefined) }) }
        if (!standby) return urls

        const second = {
          ...primary,
          name: STANDBY,
          port: standbyPort,
          // After a break it asks for the rest at once, not every 5 s.
          config: { wal_retrieve_retry_interval: '200ms', ...config },
        }
        await copyDatabase(group, primary, second)
        const spec = describePostgresServer(group, second)
        await group.start({ ...spec, checkGroup: () => expectStandby(url) })
        await waitUntil(() => expectStandby(url), STANDBY_TIMEOUT)
        return { ...urls, standbyUrl: formatPostgresUrl(standbyPort, password) }
      },
      account,
    ),
  )
}

/** Rejects as long as the primary waits for a standby. */
async function expectStandby(url: string): Promise<void> {
  const rows = await askPostgres(url, "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'")
  if (!rows.length) throw new Error('The standby does not follow')
}
