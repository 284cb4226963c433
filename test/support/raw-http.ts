/**
 * Servers and clients that work with bytes, for tests of what really goes over the wire.
 *
 * @module
 */

import { once } from 'node:events'
import { type RequestListener, type Server, createServer } from 'node:http'
import { type AddressInfo, type Socket, connect, createServer as createTcpServer } from 'node:net'

/** An application server in this process. */
export interface Application {
  readonly id: string
  readonly url: string
  readonly server: Server
  /** Ends the server and its connections at once, as a crash does. */
  close(): Promise<void>
}

/** Starts an application server. Checks for `/healthz` are answered with 200 and never reach the listener. */
export async function startApplication(
  id: string,
  listener?: RequestListener,
  port = 0,
): Promise<Application> {
  const server = createServer((request, response) => {
    if (request.url === '/healthz') response.end('ok')
    else if (listener) listener(request, response)
    else response.end(id)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    id,
    server,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async close() {
      if (!server.listening) return
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}

/** A server that records every byte and answers each request head with fixed bytes. */
export interface Recorder {
  readonly url: string
  /** Everything received, health checks apart, in the order of the connections. */
  readonly received: () => string
  /** Connections, health checks apart. */
  readonly sockets: readonly Socket[]
  close(): Promise<void>
}

/** Bytes of a small proper answer. */
export const OK = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'

/** Starts a recorder. `reply` answers requests that are not health checks; `undefined` keeps silent. */
export async function startRecorder(
  reply: string | ((socket: Socket, head: string) => void) = OK,
): Promise<Recorder> {
  const logs: string[] = []
  const sockets: Socket[] = []
  const all = new Set<Socket>()
  const server = createTcpServer((socket) => {
    let log: number | undefined
    all.add(socket)
    socket.setEncoding('latin1')
    socket.on('error', () => socket.destroy())
    socket.on('close', () => all.delete(socket))
    socket.on('data', (chunk: string) => {
      if (chunk.startsWith('GET /healthz ')) {
        socket.end(OK)
        return
      }
      if (log === undefined) {
        log = logs.push('') - 1
        sockets.push(socket)
      }
      logs[log] += chunk
      if (!chunk.includes('\r\n\r\n')) return
      if (typeof reply === 'string') socket.write(reply, 'latin1')
      else reply(socket, chunk)
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    sockets,
    received: () => logs.join(''),
    async close() {
      const closed = once(server, 'close')
      server.close()
      for (const socket of all) socket.destroy()
      await closed
    },
  }
}

/** Sends bytes on a connection of their own and resolves to everything received until the other side closes it. */
export async function exchangeRaw(url: string, bytes: string): Promise<string> {
  const socket = await connectTo(url)
  let received = ''
  socket.setEncoding('latin1')
  socket.on('data', (chunk: string) => {
    received += chunk
  })
  // A reset ends the connection like a close; what came before it counts.
  socket.on('error', () => {})
  socket.write(bytes, 'latin1')
  await once(socket, 'close')
  return received
}

/** Opens a connection. */
export async function connectTo(url: string): Promise<Socket> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  await once(socket, 'connect')
  return socket
}

/** Resolves as soon as the condition holds; fails after 15 seconds, which even a busy machine does not need. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 15_000
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`Waited in vain until ${what}`)
    await new Promise((resolve) => {
      setTimeout(resolve, 5)
    })
  }
}
