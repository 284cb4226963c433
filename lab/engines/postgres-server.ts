/**
 * One process of PostgreSQL with its data folder.
 *
 * @module
 */

import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Account } from './account.ts'
import type { EngineSpec } from './engine.ts'
import type { OpenGroup } from './group.ts'
import { expectPostgresTool } from './installed.ts'

/** Settings of `postgresql.conf`, by name. */
export type PostgresConfig = Readonly<Record<string, string | number>>

/** A PostgreSQL to start. */
export interface PostgresServer {
  readonly name: string
  readonly port: number
  /** PostgreSQL refuses to run as root; `undefined`: as this process. */
  readonly account: Account | undefined
  /** `undefined`: everybody on this machine is let in. */
  readonly password: string | undefined
  readonly config?: PostgresConfig | undefined
}

const CHECK_TIMEOUT = 1_000

/** Creates the data folder of a server whose only user is `postgres`. */
export async function createDatabase(
  { folder, run }: OpenGroup,
  { name, account, password }: PostgresServer,
): Promise<void> {
  const passwordFile = join(folder, `${name}.password`)
  if (password !== undefined) await writeFile(passwordFile, password)
  const place = [
    '--pgdata',
    join(folder, name),
    '--username',
    'postgres',
    '--encoding',
    'UTF8',
    '--no-locale',
  ]
  // What initdb writes need not outlive a power cut, and small segments are quicker to write.
  const speed = ['--no-sync', '--wal-segsize', '4']
  const access =
    password === undefined ? ['--auth', 'trust'] : ['--auth', 'scram-sha-256', '--pwfile', passwordFile]
  await run(expectPostgresTool('initdb'), [...place, ...speed, ...access], account)
}

/** Copies the data folder of a running server to that of its standby, and tells the standby whom to follow. */
export async function copyDatabase(
  { folder, run }: OpenGroup,
  primary: PostgresServer,
  { name, account }: PostgresServer,
): Promise<void> {
  // The name by which the primary knows whether it may acknowledge.
  const source = `${formatPostgresUrl(primary.port, primary.password)}?application_name=${name}`
  const place = ['--pgdata', join(folder, name), '--dbname', source, '--write-recovery-conf']
  await run(expectPostgresTool('pg_basebackup'), [...place, '--checkpoint', 'fast', '--no-sync'], account)
}

/** Describes how to run a server whose data folder is there. */
export function describePostgresServer({ folder }: OpenGroup, server: PostgresServer): EngineSpec {
  const { name, port, account, password, config } = server
  const data = join(folder, name)
  const settings: PostgresConfig = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: data,
    max_connections: 100,
    shared_buffers: '16MB',
    min_wal_size: '8MB',
    // Otherwise a kill leaves a file in /dev/shm.
    dynamic_shared_memory_type: 'mmap',
    ...config,
  }
  return {
    name,
    port,
    account,
    file: expectPostgresTool('postgres'),
    args: ['-D', data, ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`])],
    check: () => expectPostgres(formatPostgresUrl(port, password), data),
    // "Immediate shutdown": no checkpoint, but what it holds of the system's shared memory is given back.
    endSignal: 'SIGQUIT',
  }
}

/** Address of a server for any client. */
export function formatPostgresUrl(port: number, password: string | undefined): string {
  const credentials = password === undefined ? 'postgres' : `postgres:${encodeURIComponent(password)}`
  return `postgres://${credentials}@127.0.0.1:${port}/postgres`
}

/**
 * Asks one question on a connection of its own, and resolves to the rows of the answer.
 *
 * @param timeout In milliseconds, for the connection and for the answer each.
 */
export async function askPostgres(
  url: string,
  question: string,
  timeout = 5_000,
): Promise<Record<string, unknown>[]> {
  const { Client } = await import('pg')
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: timeout,
    query_timeout: timeout,
  })
  client.on('error', () => undefined)
  try {
    await client.connect()
    const { rows } = await client.query<Record<string, unknown>>(question)
    await client.end()
    return rows
  } catch (error) {
    // Of a server that is silent, nobody can take leave.
    void client.end().catch(() => undefined)
    throw error
  }
}

/** Rejects as long as the server recovers, or while another one answers on its port. */
async function expectPostgres(url: string, data: string): Promise<void> {
  const [row] = await askPostgres(url, 'SHOW data_directory', CHECK_TIMEOUT)
  if (row?.['data_directory'] !== data) throw new Error('Another PostgreSQL answers')
}
