/**
 * What of a server and its tables makes a store unusable, and what is merely dangerous.
 *
 * @module
 */

import type { PostgresClient } from '../postgres.ts'
import { StoreUnavailableError } from '../store.ts'
import type { PostgresNames } from './names.ts'
import type { RunStatement } from './run.ts'
import { migrations, readVersion } from './schema.ts'

/** Oldest server that knows every statement: `MATERIALIZED` came with 12. */
const OLDEST_SERVER = 12

/**
 * Inspects a server.
 *
 * @returns What is merely dangerous, a sentence each.
 * @throws {StoreUnavailableError} when the store cannot work.
 */
export async function inspectServer(
  client: PostgresClient,
  run: RunStatement,
  names: PostgresNames,
): Promise<readonly string[]> {
  const facts = await readFacts(run, FACTS, [])
  refuse(serverObstacles, facts)
  if ((await readVersion(run, names)) < migrations.length) {
    throw unusable(`table ${names.table} is missing or out of date; call migratePostgresStore(client) first`)
  }
  const table = await readFacts(run, TABLE_FACTS, [names.table, names.corrupt])
  refuse(tableObstacles, table)
  return [...dangers.filter(([isTrue]) => isTrue({ ...facts, ...table })), ...clientDangers(client)].map(
    ([, sentence]) => sentence,
  )
}

type Facts = Readonly<Record<string, string | undefined>>
type Finding = readonly [isTrue: (facts: Facts) => boolean, sentence: string]

const FACTS = [
  ['versionNumber', "current_setting('server_version_num')"],
  ['encoding', "current_setting('server_encoding')"],
  ['recovering', 'pg_is_in_recovery()'],
  ['readOnly', "current_setting('transaction_read_only')"],
  ['isolation', "current_setting('transaction_isolation')"],
  ['synchronousCommit', "current_setting('synchronous_commit')"],
  ['fsync', "current_setting('fsync')"],
  ['fullPageWrites', "current_setting('full_page_writes')"],
] as const

/** table, corrupt */
const TABLE_FACTS = [
  ['persistence', '(SELECT relpersistence FROM pg_class WHERE oid = to_regclass($1))'],
  [
    'allowed',
    "has_table_privilege($1, 'SELECT') AND has_table_privilege($1, 'INSERT') AND has_table_privilege($1, 'UPDATE')" +
      " AND has_table_privilege($1, 'DELETE') AND has_table_privilege($2, 'INSERT')",
  ],
] as const

const serverObstacles: readonly Finding[] = [
  [
    ({ versionNumber }) => Number(versionNumber) < OLDEST_SERVER * 10_000,
    `it needs PostgreSQL ${OLDEST_SERVER} or newer; upgrade the server`,
  ],
  [({ recovering }) => recovering === 'true', 'the server is a read-only replica; connect to the primary'],
  [
    ({ readOnly }) => readOnly === 'on',
    'transactions are read-only; turn default_transaction_read_only off for this user',
  ],
  [
    ({ encoding }) => encoding !== 'UTF8',
    "the database's encoding is not UTF8; create a database WITH ENCODING 'UTF8'",
  ],
]

const tableObstacles: readonly Finding[] = [
  [
    ({ allowed }) => allowed !== 'true',
    "the user lacks a permission; grant it SELECT, INSERT, UPDATE and DELETE on the store's tables",
  ],
]

const dangers: readonly Finding[] = [
  [
    ({ fsync }) => fsync === 'off',
    'PostgreSQL runs with fsync = off: a power failure may destroy the whole database.',
  ],
  [
    ({ fullPageWrites }) => fullPageWrites === 'off',
    'PostgreSQL runs with full_page_writes = off: a power failure may damage the database.',
  ],
  [
    ({ synchronousCommit }) => synchronousCommit === 'off',
    'PostgreSQL runs with synchronous_commit = off: a crash of the server loses the last writes and brings sessions back that ' +
      'were ended just before.',
  ],
  [
    ({ persistence }) => persistence === 'u',
    'The table of the sessions is UNLOGGED: a crash of the server ends every session, and replicas have none.',
  ],
  [
    ({ isolation }) => isolation !== 'read committed',
    'PostgreSQL runs with a default_transaction_isolation other than read committed: writes that compete fail with 503.',
  ],
]

/** A pool of `pg` waits for ever unless it is told otherwise; one of `postgres` has timeouts of its own. */
function clientDangers(client: PostgresClient): readonly Finding[] {
  const { options } = client as { readonly options?: { readonly connectionTimeoutMillis?: unknown } }
  if (!('totalCount' in client) || options === undefined || options.connectionTimeoutMillis) return []
  return [
    [
      () => true,
      'The pool has no connectionTimeoutMillis: while the server hangs, callers pile up in it without end.',
    ],
  ]
}

function refuse(obstacles: readonly Finding[], facts: Facts): void {
  for (const [isTrue, sentence] of obstacles) if (isTrue(facts)) throw unusable(sentence)
}

/** Values as text, whatever parsers the application has given its client. */
async function readFacts(
  run: RunStatement,
  questions: readonly (readonly [name: string, expression: string])[],
  parameters: readonly string[],
): Promise<Facts> {
  const [row = []] = await run(
    `SELECT ${questions.map(([, expression]) => `(${expression})::text`).join(', ')}`,
    parameters,
  )
  return Object.fromEntries(questions.map(([name], index) => [name, row[index] as string | undefined]))
}

function unusable(reason: string): StoreUnavailableError {
  return new StoreUnavailableError(`Cannot use the PostgreSQL session store: ${reason}`)
}
