/**
 * The side of the balancer that faces the clients: listens, refuses what is not proper HTTP/1.1, and hands on the rest.
 *
 * @module
 */

import { type IncomingMessage, type Server, ServerResponse, createServer } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { answer, answerOn } from './answer.ts'
import { MAX_HEADER_LENGTH, MAX_TARGET_LENGTH, type Refusal } from './request-head.ts'
import type { Tunnel } from './tunnel.ts'

/** Options of {@link createFront}. */
export interface FrontOptions {
  /** Time that a client may take to send the head of a request, in milliseconds. */
  readonly headersTimeout: number
}

/** A request that the parser has accepted. */
export interface Visit {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly address: string
  readonly expectsContinue: boolean
  readonly tunnel: Tunnel | undefined
}

/** Where the balancer listens. */
export interface ListenOptions {
  /** @default '127.0.0.1' */
  readonly host?: string
  /** `0` picks a free port. */
  readonly port: number
}

/** The listening side of a balancer. */
export interface Front {
  /** Resolves to the address, with the port that was really taken; rejects when it is taken. */
  listen(options: ListenOptions): Promise<string>
  /** Takes no more connections, waits for the requests in flight at most that long, and ends the rest. */
  close(grace: number): Promise<void>
}

/**
 * Creates the listening side of a balancer.
 *
 * @param onVisit Carries out every request, or says why it must not be carried out.
 */
export function createFront(options: FrontOptions, onVisit: (visit: Visit) => Refusal | undefined): Front {
  const server = createServer({
    maxHeaderSize: MAX_HEADER_LENGTH + MAX_TARGET_LENGTH,
    headersTimeout: options.headersTimeout,
    // How often the time limits are looked at: Node's own 30 s would stretch them.
    connectionsCheckingInterval: 1_000,
    keepAliveTimeout: 60_000,
    requireHostHeader: false,
  })
  // Node drops every header after the 2000th without a word. The size bounds them too.
  server.maxHeadersCount = 0
  const sockets = new Set<Socket>()
  // Where a request was refused, nobody knows where the next one begins: nothing more is read as a request there.
  const condemned = new WeakSet<Duplex>()
  const latest = new WeakMap<Duplex, ServerResponse>()
  let closing = false

  function receive(visit: Visit): void {
    const { request, response } = visit
    const { socket } = request
    if (condemned.has(socket)) return
    latest.set(socket, response)
    if (closing) response.shouldKeepAlive = false
    const refusal = onVisit(visit)
    if (refusal) refuse(socket, response, refusal)
  }

  function refuse(socket: Duplex, response: ServerResponse, { status, reason }: Refusal): void {
    condemned.add(socket)
    response.shouldKeepAlive = false
    answer(response, status, reason, 'refused')
  }

  function visit(request: IncomingMessage, response: ServerResponse, expectsContinue: boolean): void {
    receive({ request, response, address: addressOf(request.socket), expectsContinue, tunnel: undefined })
  }

  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  server.on('request', (request, response) => visit(request, response, false))
  server.on('checkContinue', (request, response) => visit(request, response, true))
  server.on('checkExpectation', (request, response) => {
    refuse(request.socket, response, { status: 417, reason: 'the only expectation met here is 100-continue' })
  })
  server.on('connect', (_request, socket) => answerOn(socket, 405, 'CONNECT is not allowed', 'refused'))
  server.on('upgrade', (request, duplex, early) => {
    const socket = duplex as Socket
    const response = respondOn(request, socket)
    receive({
      request,
      response,
      address: addressOf(socket),
      expectsContinue: false,
      tunnel: { socket, early },
    })
  })
  server.on('clientError', (error, socket) => {
    // A condemned connection has its answer, and ends with it.
    if (!condemned.has(socket)) refuseUnreadable(error, socket, latest.get(socket))
    else if (latest.get(socket)?.writableFinished) socket.destroy()
  })

  return {
    async listen({ host = '127.0.0.1', port }) {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      const { address, port: taken, family } = server.address() as AddressInfo
      return `http://${family === 'IPv6' ? `[${address}]` : address}:${taken}`
    },
    async close(grace) {
      closing = true
      if (!server.listening) return
      await closeServer(server, sockets, grace)
    },
  }
}

async function closeServer(server: Server, sockets: ReadonlySet<Socket>, grace: number): Promise<void> {
  const timer = setTimeout(() => {
    for (const socket of sockets) socket.destroy()
  }, grace)
  // Connections that fall idle later are closed by the answer's `Connection: close`, or here.
  const idle = setInterval(() => server.closeIdleConnections(), 50)
  await new Promise<void>((resolve) => {
    server.close(() => resolve())
    server.closeIdleConnections()
  })
  clearInterval(idle)
  clearTimeout(timer)
  // Upgraded connections are no longer the server's.
  for (const socket of sockets) socket.destroy()
}

/** A response object for a connection that Node has given up for an upgrade, in case the upgrade is declined. */
function respondOn(request: IncomingMessage, socket: Socket): ServerResponse {
  const response = new ServerResponse(request)
  response.shouldKeepAlive = false
  response.assignSocket(socket)
  socket.on('drain', () => response.emit('drain'))
  socket.on('error', () => socket.destroy())
  response.on('finish', () => {
    if (response.statusCode !== 101) socket.destroySoon()
  })
  return response
}

/** Answers what the parser could not read. Nothing more can be read from that connection. */
function refuseUnreadable(error: Error, socket: Duplex, response: ServerResponse | undefined): void {
  const { code, rawPacket } = error as NodeJS.ErrnoException & { readonly rawPacket?: Buffer }
  // A response that has begun, or that waits for its turn, must not be mixed with this answer.
  const busy = response && !response.writableFinished && !response.destroyed
  if (
    code === 'ECONNRESET' ||
    (busy && (response.headersSent || response.req.complete || response.socket !== socket))
  ) {
    socket.destroy()
    return
  }
  if (busy) response.detachSocket(socket as Socket)
  const { status, reason } = refusalFor(code ?? '', rawPacket)
  answerOn(socket, status, reason, 'refused')
  // The response has lost its connection, so it would never hear of its end.
  if (busy) response.emit('close')
}

function refusalFor(code: string, packet: Buffer | undefined): { status: number; reason: string } {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return packet && beginsWithLongLine(packet)
        ? { status: 414, reason: 'the request target is too long' }
        : { status: 431, reason: 'the header is too large' }
    case 'HPE_CHUNK_EXTENSIONS_OVERFLOW':
      return { status: 413, reason: 'the chunk extensions are too large' }
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return { status: 408, reason: 'the request took too long to arrive' }
    default:
      return { status: 400, reason: 'the request is malformed' }
  }
}

/** Whether it is the request line that does not fit. */
function beginsWithLongLine(packet: Buffer): boolean {
  if (!REQUEST_LINE.test(packet.toString('latin1', 0, 16))) return false
  const end = packet.indexOf('\r\n')
  return end === -1 || end > MAX_TARGET_LENGTH
}

function addressOf(socket: Socket): string {
  const { remoteAddress = '' } = socket
  return remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
}

const REQUEST_LINE = /^[A-Z-]+ \//
