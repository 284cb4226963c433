/**
 * A PgBouncer before a PostgreSQL, with few connections for many clients.
 *
 * @module
 */

import { chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { EngineSpec } from './engine.ts'
import type { OpenGroup } from './group.ts'
import { expectProgram } from './installed.ts'
import { askPostgres, formatPostgresUrl, type PostgresServer } from './postgres-server.ts'

/** For how long a client has a connection to the server. */
export type PoolMode = 'session' | 'transaction'

/** Connections to the server; in transaction mode fewer than clients have, so that they change hands. */
const CONNECTIONS = { session: 50, transaction: 3 }

/** Writes the configuration of a PgBouncer, and describes how to run it. It lets everybody in. */
export async function describePgBouncer(
  { folder }: OpenGroup,
  port: number,
  mode: PoolMode,
  { port: serverPort, account }: PostgresServer,
): Promise<EngineSpec> {
  const file = join(folder, 'pgbouncer.ini')
  const settings = {
    listen_addr: '127.0.0.1',
    listen_port: port,
    unix_socket_dir: '',
    auth_type: 'any',
    admin_users: 'postgres',
    pool_mode: mode,
    default_pool_size: CONNECTIONS[mode],
    max_client_conn: 200,
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = ${value}`)
  const server = `postgres = host=127.0.0.1 port=${serverPort} user=postgres`
  await writeFile(file, ['[databases]', server, '[pgbouncer]', ...lines, ''].join('\n'))
  if (account) await chown(file, account.uid, account.gid)
  return {
    name: 'pgbouncer',
    port,
    // It refuses to run as root.
    account,
    file: expectProgram('pgbouncer'),
    args: [file],
    async check() {
      const console = formatPostgresUrl(port, undefined).replace(/postgres$/, 'pgbouncer')
      const databases = await askPostgres(console, 'SHOW DATABASES', 1_000)
      if (!databases.some((database) => Number(database['port']) === serverPort)) {
        throw new Error('Another PgBouncer answers')
      }
    },
  }
}
