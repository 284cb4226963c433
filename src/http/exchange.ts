/**
 * The exchange of Node's own request and response, which most frameworks build on.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { HttpExchange } from '../session/exchange.ts'
import { gateBefore, type HeaderGate, prepareGate } from './header-gate.ts'

/** What a framework knows better than the socket: it may trust a proxy in front. */
export interface ForwardedView {
  readonly secure: boolean
  readonly address: string | undefined
}

/** A request and response of `node:http`. Costs nothing but this object until a session is changed. */
export class NodeExchange implements HttpExchange {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #forwarded: ((request: IncomingMessage) => ForwardedView) | undefined
  #gate: HeaderGate | undefined

  /** @param forwarded Reads what the framework knows of the client; the socket's view without it. */
  constructor(
    request: IncomingMessage,
    response: ServerResponse,
    forwarded?: (request: IncomingMessage) => ForwardedView,
  ) {
    this.#request = request
    this.#response = response
    this.#forwarded = forwarded
    prepareGate(response)
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  get secure(): boolean {
    return this.#forwarded
      ? this.#forwarded(this.#request).secure
      : (this.#request.socket as Partial<TLSSocket>).encrypted === true
  }

  get path(): string {
    const url = this.#request.url ?? '/'
    const query = url.indexOf('?')
    return query === -1 ? url : url.slice(0, query)
  }

  get address(): string | undefined {
    return this.#forwarded ? this.#forwarded(this.#request).address : this.#request.socket.remoteAddress
  }

  get headersSent(): boolean {
    return this.#response.headersSent || (this.#gate?.isShut ?? false)
  }

  responseHeader(name: string): string | undefined {
    const value = this.#response.getHeader(name)
    return value === undefined ? undefined : String(value)
  }

  setResponseHeader(name: string, value: string): void {
    this.#response.setHeader(name, value)
  }

  appendCookie(cookie: string): void {
    this.#response.appendHeader('Set-Cookie', cookie)
  }

  beforeHeaders(hook: () => Promise<void> | undefined): void {
    this.#gate ??= gateBefore(this.#response)
    this.#gate.add(hook)
  }
}
