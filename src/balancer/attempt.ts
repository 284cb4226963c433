/**
 * One attempt to get a request answered by one server: undici's handler, which writes to the client as it reads.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Dispatcher } from 'undici'
import type { Exchange } from './exchange.ts'

/** undici's handler for one attempt on one server. */
export class Attempt implements Dispatcher.DispatchHandler {
  /** Whether there was a connection. */
  connected = false
  /** Whether a byte may have reached the server. */
  sent = false
  /** Whether the head of the answer went out to the client. */
  responded = false
  complete = false
  readonly #exchange: Exchange
  readonly #response: ServerResponse
  #abort: ((error?: Error) => void) | undefined
  #resume: (() => void) | undefined
  #cancelled = false
  #contentLength = -1
  #begun = false

  constructor(exchange: Exchange) {
    this.#exchange = exchange
    this.#response = exchange.arrival.response
  }

  cancel(error: Error): void {
    if (this.#abort) {
      this.#abort(error)
      return
    }
    this.#cancelled = true
    this.#exchange.fail(this, error)
  }

  onConnect(abort: (error?: Error) => void): void {
    // Thrown, as calling `abort` would destroy the body, which another attempt may be sending by now.
    if (this.#cancelled) throw new Error('The attempt was cancelled')
    const { head, expectsContinue } = this.#exchange.arrival
    this.#abort = abort
    this.connected = true
    // undici writes the head of a request with a body together with the first piece of the body.
    if (!head.hasBody) this.sent = true
    else if (expectsContinue && !this.#response.headersSent) this.#response.writeContinue()
  }

  onBodySent(): void {
    this.sent = true
  }

  onUpgrade(_status: number, raw: Buffer[] | string[] | null, socket: Duplex): void {
    this.#exchange.upgrade(this, raw as Buffer[], socket)
  }

  onHeaders(status: number, raw: Buffer[], resume: () => void, statusText: string): boolean {
    // Informational answers (103 Early Hints) end here.
    if (status < 200) return true
    this.#contentLength = this.#exchange.respond(this, status, raw, statusText)
    this.responded = true
    this.#resume = resume
    process.nextTick(flushHead, this)
    return true
  }

  onData(chunk: Buffer): boolean {
    const response = this.#response
    if (response.destroyed || response.writableEnded) return true
    this.#begun = true
    if (chunk.length === this.#contentLength && chunk.length <= SMALL) {
      // As a string it joins the head in one write. `end(chunk)` would hand the kernel two pieces with `writev`, which
      // takes 30 % of the proxy's time; uncorking here leaves `end()` nothing to send.
      response.write(chunk.toString('latin1'), 'latin1')
      response.socket?.uncork()
      response.end()
      return true
    }
    if (response.write(chunk)) return true
    if (this.#resume) response.once('drain', this.#resume)
    return false
  }

  onComplete(): void {
    this.complete = true
    this.#begun = true
    // Trailers are dropped: the client was not asked whether it wants them.
    if (!this.#response.writableEnded) this.#response.end()
  }

  onError(error: Error): void {
    this.#exchange.fail(this, error)
  }

  /** Sends a head whose body is still to come, as with server-sent events. */
  flushHead(): void {
    if (!this.#begun && !this.#response.destroyed) this.#response.flushHeaders()
  }
}

function flushHead(attempt: Attempt): void {
  attempt.flushHead()
}

/** Longest body that is sent in one piece with its head. */
const SMALL = 16_384
