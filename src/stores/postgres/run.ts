/**
 * Runs statements with either client.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { PgClient, PgQuery, PostgresClient, PostgresParameter, PostgresRow } from '../postgres.ts'
import { toUnavailable } from './errors.ts'
import type { PostgresNames } from './names.ts'

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
}

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

function sendByPg(client: PgClient, { prepare, queryTimeout }: RunnerOptions): Send {
  if (typeof client?.query !== 'function') {
    throw new TypeError('Cannot create a PostgreSQL store as the client is neither of pg nor of postgres')
  }
  surviveLostConnections(client)
  const nameOf = nameStatements()
  const takeTurn = createTurns(client)
  return async (text, values) => {
    const name = prepare && values.length > 0 ? { name: nameOf(text) } : undefined
    const query: PgQuery = {
      ...name,
      text,
      values: [...values],
      rowMode: 'array',
      query_timeout: queryTimeout,
    }
    const { rows } = await takeTurn(() => client.query(query))
    return rows
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
