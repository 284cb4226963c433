/**
 * Sessions for Express 5.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Sessions } from '../session/sessions.ts'
import { type ClientView, NodeExchange } from './exchange.ts'
import { dropShape } from './shapes.ts'

/** The parts of an Express request that follow `trust proxy`. */
type ExpressRequest = IncomingMessage & { readonly secure?: boolean; readonly ip?: string | undefined }

/**
 * Creates the middleware that makes `sessions.load(req)` work and commits sessions before headers leave.
 *
 * It reads nothing by itself, so a page that never asks for its session costs the store nothing. Whether a request
 * came over https is Express's to say: behind a proxy, set `trust proxy`. A store that is away reaches the error
 * handlers as {@link StoreUnavailableError}, which Express answers by 503 and Retry-After unless one of them does.
 *
 * @example
 * ```ts
 * app.use(expressSessions(sessions))
 * ```
 */
export function expressSessions(
  sessions: Pick<Sessions<never>, 'attach'>,
): (request: IncomingMessage, response: ServerResponse, next: () => void) => void {
  return (request, response, next) => {
    dropShape(request)
    dropShape(response)
    sessions.attach(request, new NodeExchange(request, response, expressView))
    next()
  }
}

const expressView: ClientView = {
  isSecure: (request) => (request as ExpressRequest).secure === true,
  addressOf: (request) => (request as ExpressRequest).ip,
}
