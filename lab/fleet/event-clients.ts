/**
 * The browsers that follow the lab over server-sent events.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'
import type { LabEvent } from './protocol.ts'

/** Everybody who follows the events. */
export interface EventClients {
  /** Turns an answer into a stream that begins with the given event. */
  add(response: ServerResponse, first: LabEvent): void
  send(event: LabEvent): void
  close(): void
}

/** Unsent bytes at which a client counts as gone: a laptop that was closed, a tab that hangs. */
const MAX_UNSENT = 4_194_304

/** Creates an empty set of clients. An event is serialized once, however many follow. */
export function createEventClients(): EventClients {
  const clients = new Set<ServerResponse>()

  return {
    add(response, first) {
      response.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      })
      response.write(serialize(first))
      clients.add(response)
      response.once('close', () => clients.delete(response))
    },
    send(event) {
      if (!clients.size) return
      const text = serialize(event)
      for (const client of clients) {
        if (client.writableLength > MAX_UNSENT) client.destroy()
        else client.write(text)
      }
    },
    close() {
      for (const client of clients) client.end()
    },
  }
}

function serialize(event: LabEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`
}
