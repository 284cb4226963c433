/**
 * Sessions for `node:http`.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Sessions } from '../session/sessions.ts'
import { NodeExchange } from './exchange.ts'
import { answerError } from './header-gate.ts'

/** Answers one request. */
export type NodeHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void> | void

/**
 * Wraps a handler, so that `sessions.load(request)` works in it and sessions are committed before headers leave.
 *
 * Reads nothing by itself. An error of ours that nobody caught is answered by its `status`: a store that is away by
 * 503 and Retry-After. Other errors are the application's, as without this wrapper.
 *
 * @example
 * ```ts
 * createServer(nodeSessions(sessions, async (request, response) => {
 *   const session = await sessions.load(request)
 *   response.end(session.principal ?? 'stranger')
 * }))
 * ```
 */
export function nodeSessions(
  sessions: Pick<Sessions<never>, 'attach'>,
  handler: NodeHandler,
): (request: IncomingMessage, response: ServerResponse) => void {
  return (request, response) => {
    sessions.attach(request, new NodeExchange(request, response))
    const answered = handler(request, response)
    if (answered) void answered.catch((error: unknown) => answerOrThrow(response, error))
  }
}

function answerOrThrow(response: ServerResponse, error: unknown): void {
  const isOurs = error instanceof Error && 'code' in error && 'status' in error
  if (!isOurs || response.headersSent) throw error
  answerError(response, error)
}
