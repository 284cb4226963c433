/**
 * What the balancer answers by itself, and how it answers.
 *
 * @module
 */

import { STATUS_CODES, type ServerResponse } from 'node:http'
import type { Duplex } from 'node:stream'
import type { RoutedBy } from './placement.ts'

/** `X-Served-By` of answers that no server gave. */
export const OWN_NAME = 'balancer'

/** Answers a request with a status and one line of text. */
export function answer(response: ServerResponse, status: number, reason: string, routedBy: RoutedBy): void {
  const body = bodyOf(status, reason)
  response.writeHead(status, STATUS_CODES[status] ?? '', headersOf(status, body, routedBy))
  response.end(body)
}

/** Answers on a connection that has no response object, and ends it. */
export function answerOn(socket: Duplex, status: number, reason: string, routedBy: RoutedBy): void {
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const body = bodyOf(status, reason)
  const headers = [...headersOf(status, body, routedBy), 'connection', 'close']
  let head = `HTTP/1.1 ${status} ${STATUS_CODES[status]}\r\n`
  for (let i = 0; i < headers.length; i += 2) head += `${headers[i]}: ${headers[i + 1]}\r\n`
  // Reads on for a moment: closing a socket with unread bytes resets it, and the client would lose the answer.
  const timer = setTimeout(() => socket.destroy(), LINGER)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
  socket.on('error', () => socket.destroy())
  socket.resume()
  socket.end(`${head}\r\n${body}`)
}

function bodyOf(status: number, reason: string): string {
  return `${STATUS_CODES[status]}: ${reason}\n`
}

function headersOf(status: number, body: string, routedBy: RoutedBy): string[] {
  const headers = [
    'content-type',
    'text/plain; charset=utf-8',
    'content-length',
    String(Buffer.byteLength(body)),
    'cache-control',
    'no-store',
    'x-served-by',
    OWN_NAME,
    'x-routed-by',
    routedBy,
  ]
  if (status === 503) headers.push('retry-after', '1')
  if (status === 405) headers.push('allow', 'GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS')
  return headers
}

const LINGER = 1_000
