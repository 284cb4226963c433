/**
 * One request and its answer, through one server or, when that fails in time, a second.
 *
 * The bytes go through undici's `dispatch`; this module writes them straight to the client and holds the server back
 * when the client is slow.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Affinity } from './affinity.ts'
import { answer } from './answer.ts'
import { Attempt } from './attempt.ts'
import { type Failure, IDEMPOTENT, UpstreamDownError, answerTo, failureOf } from './failure.ts'
import type { Placement, Placer, RoutedBy } from './placement.ts'
import type { RequestHead } from './request-head.ts'
import { readResponseHead, setCookiesOf } from './response-head.ts'
import { type Tunnel, acceptsUpgrade, openTunnel } from './tunnel.ts'
import type { InFlight, Upstream } from './upstream.ts'

/** What became of a request. */
export interface Outcome {
  readonly status: number
  /** Server that answered; `undefined` when the balancer did. */
  readonly server: string | undefined
  readonly routedBy: RoutedBy
  /** `Set-Cookie` values of the server; empty unless they were asked for. */
  readonly setCookies: readonly string[]
}

/** What an exchange needs of its balancer. */
export interface ExchangeContext {
  readonly placer: Placer
  readonly affinity: Affinity | undefined
  readonly now: () => number
  readonly onRedispatch: (from: string, to: string) => void
}

/** One accepted request. */
export interface Arrival {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly head: RequestHead
  readonly address: string
  /** Whether the client waits for `100 Continue` before it sends the body. */
  readonly expectsContinue: boolean
  /** The client's side of a WebSocket to be; `undefined` for a plain request. */
  readonly tunnel: Tunnel | undefined
  /** Whether somebody wants to know the outcome's cookies. */
  readonly traced: boolean
}

/** Carries out one exchange. The callback is called once, when the last byte has left or the client has. */
export class Exchange implements InFlight {
  readonly arrival: Arrival
  readonly #context: ExchangeContext
  readonly #onEnd: ((outcome: Outcome) => void) | undefined
  #placement: Placement | undefined
  #attempt: Attempt | undefined
  #redispatched = false
  #ended = false
  #answeredBy: Upstream | undefined
  #routedBy: RoutedBy = 'down'
  #setCookies: readonly string[] = []

  constructor(context: ExchangeContext, arrival: Arrival, onEnd: ((outcome: Outcome) => void) | undefined) {
    this.#context = context
    this.arrival = arrival
    this.#onEnd = onEnd
  }

  start(): void {
    const { head, address, response } = this.arrival
    response.on('close', () => this.#end())
    const placement = this.#context.placer.place(head.affinityId, address)
    if (typeof placement === 'string') this.#answerUnplaced(placement)
    else this.#send(placement)
  }

  /** The server went down: what it has begun to answer may still end, the rest goes elsewhere. */
  onUpstreamDown(): void {
    if (!this.#attempt?.responded) this.#attempt?.cancel(new UpstreamDownError('The server is down'))
  }

  /** Passes the head of an answer on, and returns its content length; -1 without one. */
  respond(attempt: Attempt, status: number, raw: readonly Buffer[], statusText: string): number {
    const placement = this.#placement
    if (attempt !== this.#attempt || !placement || this.#ended) return -1
    const { headers, contentLength, shared } = readResponseHead(raw)
    this.#sign(headers, placement, shared)
    this.arrival.response.writeHead(status, statusText, headers)
    this.#countAnswer(placement)
    return contentLength
  }

  /** Joins the client's connection with the server's, which has agreed to become a WebSocket. */
  upgrade(attempt: Attempt, raw: readonly Buffer[], socket: Duplex): void {
    const placement = this.#placement
    const { request, response, tunnel } = this.arrival
    if (attempt !== this.#attempt || !placement || this.#ended || !tunnel) {
      socket.destroy()
      return
    }
    if (!acceptsUpgrade(request, raw)) {
      socket.destroy()
      this.fail(attempt, new Error('The server agreed to an upgrade that was not asked for'))
      return
    }
    const { headers } = readResponseHead(raw)
    this.#sign(headers, placement, false)
    this.#countAnswer(placement)
    attempt.complete = true
    openTunnel(tunnel, response, headers, socket)
  }

  /** Mends a failed attempt with a second server where nothing can happen twice, and reports it otherwise. */
  fail(attempt: Attempt, error: Error): void {
    const placement = this.#placement
    if (attempt !== this.#attempt || !placement || this.#ended) return
    const { request, response, head, address } = this.arrival
    const { upstream } = placement
    const failure = failureOf(error, attempt.connected)
    this.#attempt = undefined
    upstream.leave(this)
    if (failure !== 'request' && failure !== 'invalid') report(upstream, failure, error)
    if (attempt.responded) {
      // The rest of the answer is lost. A broken connection is the only way left to say so.
      response.destroy()
      return
    }

    if (!this.#redispatched && this.#mayRepeat(attempt, failure) && !request.destroyed) {
      this.#redispatched = true
      const next = this.#context.placer.place(head.affinityId, address, upstream)
      if (typeof next === 'string') this.#answerUnplaced(next)
      else this.#send(next)
      return
    }
    const { status, reason } = answerTo(failure)
    this.#answer(status, reason, placement.routedBy)
  }

  #mayRepeat(attempt: Attempt, failure: Failure): boolean {
    if (failure === 'unreachable') return true
    if (failure !== 'lost') return false
    const { request, head } = this.arrival
    return !attempt.sent || (!head.hasBody && IDEMPOTENT.has(request.method ?? ''))
  }

  #send(placement: Placement): void {
    const { request, head, tunnel } = this.arrival
    const { upstream, from } = placement
    if (from !== undefined) this.#context.onRedispatch(from, upstream.id)
    const attempt = new Attempt(this)
    this.#placement = placement
    this.#routedBy = placement.routedBy
    this.#attempt = attempt
    upstream.enter(this)
    const options: Dispatcher.DispatchOptions = {
      path: request.url ?? '/',
      method: request.method ?? 'GET',
      headers: head.headers,
      body: head.hasBody ? request : null,
      upgrade: tunnel ? 'websocket' : null,
    }
    upstream.pool.dispatch(options, attempt)
  }

  /** Adds what the balancer itself says to the head of an answer. */
  #sign(headers: string[], placement: Placement, shared: boolean): void {
    const { head, traced } = this.arrival
    const { affinity, placer } = this.#context
    const { upstream, routedBy } = placement
    if (traced) this.#setCookies = setCookiesOf(headers)
    headers.push('x-served-by', upstream.id, 'x-routed-by', routedBy)
    // An answer that a shared cache may keep would hand one visitor's cookie to all.
    if (
      affinity &&
      placer.routing === 'sticky' &&
      !shared &&
      (routedBy !== 'cookie' || head.affinityOutdated)
    ) {
      headers.push('set-cookie', affinity.issue(upstream.id))
    }
  }

  #countAnswer({ upstream }: Placement): void {
    this.#answeredBy = upstream
    upstream.countAnswer(this.#context.now())
    upstream.health.succeeded()
  }

  #answerUnplaced(why: 'full' | 'down'): void {
    this.#answer(503, why === 'full' ? 'all servers are full' : 'no server is available', why)
  }

  #answer(status: number, reason: string, routedBy: RoutedBy): void {
    this.#routedBy = routedBy
    answer(this.arrival.response, status, reason, routedBy)
  }

  #end(): void {
    this.#ended = true
    this.#placement?.upstream.leave(this)
    if (!this.#attempt?.complete) this.#attempt?.cancel(new Error('The client left'))
    this.#onEnd?.({
      status: this.arrival.response.statusCode,
      server: this.#answeredBy?.id,
      routedBy: this.#routedBy,
      setCookies: this.#setCookies,
    })
  }
}

function report(upstream: Upstream, failure: Failure, error: Error): void {
  if (error instanceof UpstreamDownError) return
  const { code } = error as NodeJS.ErrnoException
  upstream.health.failed(`a request failed: ${code ?? failure}`, code === 'ECONNREFUSED')
}
