/**
 * WebSocket connections through the balancer.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Socket } from 'node:net'
import type { Refusal, RequestHead } from './request-head.ts'

/** The client's side of a WebSocket to be. */
export interface Tunnel {
  readonly socket: Socket
  /** What the client has sent after its request. It goes out only when the server has agreed. */
  readonly early: Buffer
}

/**
 * Refuses what only looks like a WebSocket handshake (RFC 6455, 4.1).
 *
 * A server that does not agree goes on reading requests from the connection while a careless proxy has begun to pass
 * bytes blindly. So nothing is passed before a proper 101, and requests that make servers disagree about it are refused.
 */
export function refuseUpgrade(request: IncomingMessage, head: RequestHead): Refusal | undefined {
  const { headers, method, httpVersionMinor } = request
  if (headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, reason: 'the only protocol to upgrade to is websocket' }
  }
  if (method !== 'GET' || httpVersionMinor !== 1 || head.hasBody) {
    return { status: 400, reason: 'a WebSocket begins with a GET without a body' }
  }
  if (headers['sec-websocket-version'] !== '13' || !KEY.test(headers['sec-websocket-key'] ?? '')) {
    return { status: 400, reason: 'the WebSocket handshake is malformed' }
  }
  return undefined
}

/** Whether a server's 101 answers the handshake of that request. */
export function acceptsUpgrade(request: IncomingMessage, raw: readonly Buffer[]): boolean {
  const expected = createHash('sha1')
    .update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`)
    .digest('base64')
  const accepts: string[] = []
  for (let i = 0; i < raw.length; i += 2) {
    if (raw[i]?.toString('latin1').toLowerCase() === 'sec-websocket-accept') {
      accepts.push(raw[i + 1]?.toString('latin1').trim() ?? '')
    }
  }
  return accepts.length === 1 && accepts[0] === expected
}

/** Passes the server's agreement to the client and joins both connections until one of them ends. */
export function openTunnel(
  tunnel: Tunnel,
  response: ServerResponse,
  headers: readonly string[],
  server: Duplex,
): void {
  const { socket: client, early } = tunnel
  response.statusCode = 101
  response.detachSocket(client)
  let head = 'HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n'
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  client.write(`${head}\r\n`, 'latin1')
  if (early.length > 0) server.write(early)

  client.on('error', () => server.destroy())
  server.on('error', () => client.destroy())
  server.on('close', () => client.destroySoon())
  client.on('close', () => {
    server.destroy()
    response.emit('close')
  })
  client.pipe(server)
  server.pipe(client)
}

const KEY = /^[A-Za-z0-9+/]{22}==$/
