/**
 * What the errors of the PostgreSQL clients mean.
 *
 * The server's errors carry their SQLSTATE as `code` in both clients; trouble of the network has a code of Node's, of
 * `postgres`, or no more than a message of `pg`'s.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import type { PostgresNames } from './names.ts'

/** SQLSTATEs and codes by beginning, and what an operator does about them. */
const advice: readonly (readonly [codes: RegExp, advice: string])[] = [
  [/^28/, 'the server refused the user or the password; check the connection string'],
  [/^3D000$/, 'the database does not exist; check its name in the connection string, or create it'],
  [/^42501$/, "the user lacks a permission; grant it the rights on the store's tables"],
  [/^25006$/, 'the server is a read-only replica; connect to the primary'],
  [/^53300$/, 'the server has no connection left; lower the sizes of the pools or raise max_connections'],
  [/^53/, 'the server has no disk or memory left; see its log'],
  [/^57P0[1-5]$/, 'the server is shutting down or starting; it is tried again by the next call'],
  [/^57014$/, 'the server cancelled a statement that exceeded statement_timeout; see what keeps it busy'],
  [/^55P03$/, 'another transaction kept a session locked for longer than lock_timeout'],
  [/^40/, 'competing transactions failed; let default_transaction_isolation be read committed'],
  [/^(26000|42P05)$/, 'a pooler changed the connection between statements; give prepare: false'],
  [/^(ENOTFOUND|EAI_AGAIN)$/, 'the host name is not known; check the connection string'],
  [/^ECONNREFUSED$/, 'no server listens there; start it, or check host and port in the connection string'],
  [/^(CONNECTION_ENDED|CONNECTION_DESTROYED)$/, 'the client was closed; make a new one'],
  [
    /^(08|E[A-Z]+$|CONNECT|ERR_(TLS|SSL))/,
    'the connection failed; check the network and that the server is running',
  ],
]

/** Wraps a client's error. The message says what to do and holds neither keys nor data. */
export function toUnavailable(error: unknown, names: PostgresNames): StoreUnavailableError {
  if (error instanceof StoreUnavailableError) return error
  const { user = 'PostgreSQL session store' } = names
  return new StoreUnavailableError(`Cannot use the ${user}: ${explain(error, names)}`, {
    cause: withoutData(error),
  })
}

/**
 * Whether the server is well and has undone a statement for what was in it: a value, a constraint, a limit, another
 * transaction or a trigger.
 */
export function isRefusal(error: unknown): boolean {
  return error instanceof StoreUnavailableError && /^(22|23|40|54|P0)/.test(codeOf(error.cause))
}

/** SQLSTATE, or the client's code; the empty string when there is none. */
export function codeOf(error: unknown): string {
  if (typeof error !== 'object' || error === null) return ''
  const { code, errors } = error as { readonly code?: unknown; readonly errors?: readonly unknown[] }
  // Node tries each address of a host and collects what it heard.
  return typeof code === 'string' ? code : codeOf(errors?.[0])
}

function explain(error: unknown, { table, migrate = 'migratePostgresStore(client)' }: PostgresNames): string {
  const code = codeOf(error)
  if (/^(42P01|3F000|42703)$/.test(code)) {
    return `table ${table} is missing or out of date; call ${migrate} first`
  }
  for (const [codes, text] of advice) if (codes.test(code)) return text
  const message = error instanceof Error ? error.message : ''
  if (/after calling end|was closed/.test(message)) return 'the client was closed; make a new one'
  if (/not queryable/.test(message)) return 'its only connection is lost; use a Pool, which opens another'
  if (/trying to connect/.test(message)) {
    return 'no connection became free in time; the server hangs, or the pool is too small'
  }
  if (/read timeout/.test(message)) return 'the server gave no answer within queryTimeout'
  if (/terminated|timeout|SASL|SSL/.test(message)) {
    return 'the connection failed; check the network, the password and that the server is running'
  }
  return 'the database refused; see the cause'
}

/** The server quotes the whole row when it refuses one, and `pg` puts that where loggers print it. */
function withoutData(error: unknown): unknown {
  const code = codeOf(error)
  if (!/^2[23]/.test(code) || !(error instanceof Error)) return error
  return Object.assign(new Error('The database refused a value'), { code })
}
