/**
 * Runs statements with either client.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { PgClient, PgQuery, PostgresClient, PostgresParameter, PostgresRow } from '../postgres.ts'
import { toUnavailable } from './errors.ts'
import type { PostgresNames } from './names.ts'
import { createPoolTurns, isCountedPool } from './pool-turns.ts'

/**
 * Runs one statement, and gives its rows with their columns in order.
 *
 * @throws {StoreUnavailableError} when there is no answer, or an error for one.
 */
export type RunStatement = (
  text: string,
  parameters?: readonly PostgresParameter[],
) => Promise<readonly PostgresRow[]>

/** Options of {@link createRunner}. */
export interface RunnerOptions {
  /** Whether statements are prepared once for each connection. */
  readonly prepare: boolean
  /** How long `pg` waits for an answer before it gives the connection up, in milliseconds; 0 for ever. */
  readonly queryTimeout: number
  /**
   * Whether one statement at a time of a pool is waited for much longer, see {@link LONG_WAIT}, and none is tied to a connection that
   * is not there yet.
   *
   * @default false
   */
  readonly keepsOne?: boolean
}

/**
 * How long one statement at a time of a pool waits for its answer, in milliseconds.
 *
 * A server that merely stood still gives it at once, on the connection that it has. All connections that were given up it
 * must look at first, before it makes a new one.
 */
const LONG_WAIT = 60_000

/**
 * Creates the function that runs statements.
 *
 * @throws {TypeError} when the client is neither of the two.
 */
export function createRunner(
  client: PostgresClient,
  names: PostgresNames,
  options: RunnerOptions,
): RunStatement {
  const send = 'unsafe' in client ? sendByPostgresJs(client, options) : sendByPg(client, options)
  return async (text, parameters = []) => {
    try {
      return await send(text, parameters)
    } catch (error) {
      throw toUnavailable(error, names)
    }
  }
}

type Send = (text: string, parameters: readonly PostgresParameter[]) => PromiseLike<readonly PostgresRow[]>

/** Rows come as arrays: an application may have told its client to rename columns. */
function sendByPostgresJs(
  client: Extract<PostgresClient, { unsafe: unknown }>,
  { prepare }: RunnerOptions,
): Send {
  return (text, parameters) => client.unsafe(text, [...parameters], { prepare }).values()
}

function sendByPg(client: PgClient, { prepare, queryTimeout, keepsOne = false }: RunnerOptions): Send {
  if (typeof client?.query !== 'function') {
    throw new TypeError('Cannot create a PostgreSQL store as the client is neither of pg nor of postgres')
  }
  surviveLostConnections(client)
  const nameOf = nameStatements()
  const isPool = keepsOne && isCountedPool(client)
  const takeTurn = isPool
    ? createPoolTurns(client, queryTimeout || Number.POSITIVE_INFINITY)
    : createTurns(client)
  let isOneKept = !(isPool && queryTimeout > 0)

  async function ask(query: PgQuery): Promise<readonly PostgresRow[]> {
    if (isOneKept) return (await client.query(query)).rows
    isOneKept = true
    try {
      return (await client.query({ ...query, query_timeout: Math.max(queryTimeout, LONG_WAIT) })).rows
    } finally {
      isOneKept = false
    }
  }

  return (text, values) => {
    const name = prepare && values.length > 0 ? { name: nameOf(text) } : undefined
    return takeTurn(() =>
      ask({ ...name, text, values: [...values], rowMode: 'array', query_timeout: queryTimeout }),
    )
  }
}

/** Names a statement by its text, so that neither two tables nor two releases on one connection take the same name. */
function nameStatements(): (text: string) => string {
  const statementNames = new Map<string, string>()
  return (text) => {
    let name = statementNames.get(text)
    if (name === undefined) {
      name = `coatcheck_${createHash('sha256').update(text).digest('base64url').slice(0, 22)}`
      statementNames.set(text, name)
    }
    return name
  }
}

/**
 * When an idle connection dies, `pg` emits `error`, and without a listener that ends the process. A store has nothing to
 * do about it: its next call opens another connection, or rejects.
 */
function surviveLostConnections(client: PgClient): void {
  if (client.listenerCount?.('error') === 0) client.on?.('error', () => undefined)
}

/** The last call of each single connection. */
const lastTurns = new WeakMap<PgClient, Promise<unknown>>()

/** A `Client` of `pg` warns when it is asked before it has answered; a `Pool` is made for it. */
function createTurns(client: PgClient): <Result>(call: () => Promise<Result>) => Promise<Result> {
  if (!('processID' in client)) return (call) => call()
  return (call) => {
    const turn = (lastTurns.get(client) ?? Promise.resolve()).then(call, call)
    lastTurns.set(client, turn)
    return turn
  }
}
