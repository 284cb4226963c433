/**
 * Starts a real PostgreSQL.
 *
 * @module
 */

import { createGroup, type EngineGroup, type EngineOptions } from './group.ts'
import { accountFor } from './account.ts'
import { withFreePorts } from './ports.ts'
import {
  createDatabase,
  describePostgresServer,
  formatPostgresUrl,
  type PostgresConfig,
} from './postgres-server.ts'

/** Options of {@link startPostgres}. */
export interface PostgresOptions extends EngineOptions {
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
}

/**
 * Starts a PostgreSQL of its own on a free port. Its engine is called `postgres`.
 *
 * @throws When it is not installed, or does not start.
 */
export async function startPostgres(options: PostgresOptions = {}): Promise<Postgres> {
  const { password, config } = options
  const account = accountFor('postgres')
  return await withFreePorts(1, ([port = 0]) =>
    createGroup(
      options,
      async (group) => {
        const server = { name: 'postgres', port, account, password, config }
        await createDatabase(group, server)
        await group.start(describePostgresServer(group, server))
        return { url: formatPostgresUrl(port, password) }
      },
      account,
    ),
  )
}
