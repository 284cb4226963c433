/**
 * The exchange of Node's own request and response, which most frameworks build on.
 *
 * @module
 */

import type { IncomingMessage, ServerResponse } from 'node:http'
import type { TLSSocket } from 'node:tls'
import type { HttpExchange } from '../session/exchange.ts'
import { type Gated, HeaderGate, prepareGate } from './header-gate.ts'

/** How a client is seen. A framework knows better than the socket: it may trust a proxy in front. */
export interface ClientView {
  /** Whether the client's own connection is encrypted. */
  isSecure(request: IncomingMessage): boolean
  /** The client's network address. Asked for at a login only: behind proxies it has to be searched for. */
  addressOf(request: IncomingMessage): string | undefined
}

const socketView: ClientView = {
  isSecure: ({ socket }) => (socket as Partial<TLSSocket>).encrypted === true,
  addressOf: ({ socket }) => socket.remoteAddress,
}

/** A request and response of `node:http`. Costs nothing but this object until a session is changed. */
export class NodeExchange implements HttpExchange, Gated {
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #client: ClientView
  /** Made when something is to be done before the headers leave. */
  gate: HeaderGate | undefined
  /** Known here, as Express makes it dear to ask the response. */
  isSent = false

  /** @param client How the framework sees the client. @default as the socket does */
  constructor(request: IncomingMessage, response: ServerResponse, client: ClientView = socketView) {
    this.#request = request
    this.#response = response
    this.#client = client
    prepareGate(response)
  }

  header(name: string): string | undefined {
    const value = this.#request.headers[name]
    return Array.isArray(value) ? value.join(', ') : value
  }

  get secure(): boolean {
    return this.#client.isSecure(this.#request)
  }

  get path(): string {
    const url = this.#request.url ?? '/'
    const query = url.indexOf('?')
    return query === -1 ? url : url.slice(0, query)
  }

  get address(): string | undefined {
    return this.#client.addressOf(this.#request)
  }

  get headersSent(): boolean {
    return this.isSent || (this.gate?.isShut ?? false) || this.#response.headersSent
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

  beforeHeaders(hook: () => Promise<void> | undefined): boolean {
    if (this.isSent || this.gate?.isShut) return false
    this.gate ??= this.#makeGate()
    this.gate.add(hook)
    return true
  }

  #makeGate(): HeaderGate {
    // The answer finds its gate by its request. What injects requests in tests makes answers for none.
    if (this.#response.req !== this.#request) Object.assign(this.#response, { req: this.#request })
    return new HeaderGate(this.#response)
  }
}
