/**
 * What an outsider can do to the PostgreSQL of the fleet.
 *
 * @module
 */

import { formatPostgresUrl } from '../../../engines/postgres-server.ts'
import type { Fleet } from '../../protocol.ts'
import { listEngines, type Meddler } from './meddler.ts'

const ENGINE = 'postgres'
const TIMEOUT = 5_000

/** Meddles with the one server of the fleet, as its superuser. */
export function createPostgresMeddler(fleet: Fleet): Meddler {
  async function ask(statement: string, values: readonly unknown[] = []) {
    const port = listEngines(fleet, ENGINE)[0]?.port ?? 0
    const { Client } = await import('pg')
    const client = new Client({
      connectionString: formatPostgresUrl(port, undefined),
      connectionTimeoutMillis: TIMEOUT,
      query_timeout: TIMEOUT,
    })
    // Its server may be killed while nobody asks.
    client.on('error', () => undefined)
    await client.connect()
    try {
      return await client.query<Record<string, unknown>>(statement, [...values])
    } finally {
      await client.end()
    }
  }

  return {
    async wipe() {
      await ask('TRUNCATE coatcheck_sessions')
    },
    async damage(handle, data) {
      const { rowCount } = await ask('UPDATE coatcheck_sessions SET data = $2 WHERE key = $1', [handle, data])
      return rowCount === 1
    },
    async isSetAside(handle) {
      const { rowCount } = await ask('SELECT FROM coatcheck_sessions_corrupt WHERE key = $1', [handle])
      return rowCount === 1
    },
    async find(handles) {
      const { rows } = await ask('SELECT key FROM coatcheck_sessions WHERE key = ANY ($1)', [handles])
      return new Map(rows.map(({ key }) => [String(key), ENGINE]))
    },
    primaries: async () => [ENGINE],
    keepers: () => [ENGINE],
    async countCommands() {
      // The servers' own connections tell of what they did about once a second.
      const { rows } = await ask('SELECT sum(xact_commit + xact_rollback) AS total FROM pg_stat_database')
      return Number(rows[0]?.['total'])
    },
  }
}
