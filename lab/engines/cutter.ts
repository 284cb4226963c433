/**
 * A TCP proxy on 127.0.0.1 that can do what networks do: fall silent, in one direction or both, delay, and break.
 *
 * @module
 */

import { once } from 'node:events'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { createLane, type Lane } from './cutter-lane.ts'

/** Which way is cut. */
export type CutDirection = 'both' | 'to-server' | 'from-server'

/** A proxy that listens. */
export interface Cutter {
  /** Port on 127.0.0.1 that clients connect to. */
  readonly port: number
  /**
   * Lets nothing through any more, neither data nor the end of a connection; whoever waits is not told. Connections stay
   * open and new ones are accepted, as a proxy cannot keep the system from that.
   */
  cut(direction?: CutDirection): void
  /** Lets everything through again, what was sent in the meantime first, and without delay. */
  heal(): void
  /** Breaks every connection with RST, on both sides. New ones are let through unless cut. */
  sever(): void
  /** Lets everything arrive later by so many milliseconds, in each direction. */
  delay(milliseconds: number): void
  close(): Promise<void>
}

interface Connection {
  readonly client: Socket
  readonly server: Socket
  readonly lanes: readonly Lane[]
}

/** Starts a proxy to a server. Rejects never but when the system has no free port. */
export async function createCutter(target: {
  readonly host: string
  readonly port: number
}): Promise<Cutter> {
  const waiting = new Set<Socket>()
  const connections = new Set<Connection>()
  let closed: CutDirection | undefined
  let milliseconds = 0

  const line = {
    isOpen: (direction: CutDirection) => closed !== 'both' && closed !== direction,
    delay: () => milliseconds,
  }

  function join(client: Socket): void {
    client.on('error', () => undefined)
    waiting.add(client)
    client.once('close', () => waiting.delete(client))
    admit()
  }

  /** Connects to the server on behalf of those that wait, unless they could not have reached it. */
  function admit(): void {
    if (!line.isOpen('to-server')) return
    for (const client of waiting) {
      waiting.delete(client)
      const server = connect({ ...target, allowHalfOpen: true, noDelay: true })
      server.on('error', () => undefined)
      const connection = {
        client,
        server,
        lanes: [
          createLane(client, server, 'to-server', line),
          createLane(server, client, 'from-server', line),
        ],
      }
      connections.add(connection)
      client.once('close', () => {
        if (server.destroyed) connections.delete(connection)
      })
      server.once('close', () => {
        if (client.destroyed) connections.delete(connection)
      })
    }
  }

  function change(): void {
    admit()
    for (const { lanes } of connections) for (const lane of lanes) lane.move()
  }

  function sever(): void {
    for (const socket of waiting) socket.resetAndDestroy()
    for (const { client, server } of connections) {
      client.resetAndDestroy()
      server.resetAndDestroy()
    }
  }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, join)
  listener.listen({ host: '127.0.0.1', port: 0 })
  await once(listener, 'listening')
  const { port } = listener.address() as AddressInfo

  return {
    port,
    cut(direction = 'both') {
      closed = closed === undefined || closed === direction ? direction : 'both'
      change()
    },
    heal() {
      closed = undefined
      milliseconds = 0
      change()
    },
    sever,
    delay(value) {
      milliseconds = value
    },
    async close() {
      const end = once(listener, 'close')
      listener.close()
      sever()
      await end
    },
  }
}
