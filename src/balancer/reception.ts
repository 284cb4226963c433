/**
 * Receives requests: refuses them, or carries them out, and tells what became of them.
 *
 * @module
 */

import { Exchange, type ExchangeContext, type Outcome } from './exchange.ts'
import type { Visit } from './front.ts'
import type { RoutedBy } from './placement.ts'
import { type HeadOptions, type Refusal, readRequestHead } from './request-head.ts'
import { refuseUpgrade } from './tunnel.ts'

/**
 * One request that was answered.
 *
 * `cookie` and `setCookies` are credentials: whoever listens may compute public handles from them and must not log them.
 */
export interface BalancerEntry {
  /** Instant of arrival, in milliseconds since the Unix epoch. */
  readonly at: number
  readonly method: string
  /** Path without the query. */
  readonly path: string
  readonly status: number
  /** Server that answered; `undefined` when the balancer answered itself. */
  readonly server: string | undefined
  /** Why that server, or why none. */
  readonly routedBy: RoutedBy
  /** From the arrival of the head to the last byte of the answer. */
  readonly milliseconds: number
  /** `Cookie` header as the application got it; `undefined` without one. */
  readonly cookie: string | undefined
  /** `Set-Cookie` values of the application. */
  readonly setCookies: readonly string[]
}

/** What a reception needs of its balancer. */
export interface ReceptionContext extends ExchangeContext, HeadOptions {
  /** Whether anybody wants entries. */
  readonly traced: () => boolean
  readonly onEntry: (entry: BalancerEntry) => void
}

/** Creates the function that carries out requests; it returns why when it must not. */
export function createReception(context: ReceptionContext): (visit: Visit) => Refusal | undefined {
  return (visit) => {
    const { request, response, address, tunnel } = visit
    const traced = context.traced()
    const at = traced ? context.now() : 0
    const startedAt = traced ? performance.now() : 0
    const head = readRequestHead(request, address, context)

    function report(outcome: Outcome): void {
      const { method = '', url = '' } = request
      const query = url.indexOf('?')
      const path = query === -1 ? url : url.slice(0, query)
      const cookie = 'status' in head ? undefined : head.cookie
      context.onEntry({ at, method, path, milliseconds: performance.now() - startedAt, cookie, ...outcome })
    }

    const refusal = 'status' in head ? head : tunnel && refuseUpgrade(request, head)
    if (refusal || 'status' in head) {
      if (refusal && traced) response.on('close', () => report(outcomeOf(refusal)))
      return refusal
    }
    new Exchange(context, { ...visit, head, traced }, traced ? report : undefined).start()
    return undefined
  }
}

function outcomeOf(refusal: Refusal): Outcome {
  return { status: refusal.status, server: undefined, routedBy: 'refused', setCookies: [] }
}
