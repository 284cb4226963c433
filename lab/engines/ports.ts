/**
 * Free ports on 127.0.0.1 for servers that are told their port before they start.
 *
 * @module
 */

import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:net'

/** Somebody else took the port between the look and the start. */
export class PortTakenError extends Error {
  override readonly name = 'PortTakenError'
}

// Below the ports that systems lend to clients (Linux: from 32768), also with the 10,000 that a Redis Cluster bus adds: a
// client that looks for a server that is down could be lent that very port, and then be connected to itself.
const FIRST = 12_000
const END = 22_000
const BUS_OFFSET = 10_000
const ATTEMPTS = 5

/**
 * Starts something on ports that are free, and again on others when somebody was faster.
 *
 * @param start Must leave nothing behind when it rejects.
 * @throws What `start` rejects with, at once unless it is a {@link PortTakenError}.
 */
export async function withFreePorts<Started>(
  count: number,
  start: (ports: readonly number[]) => Promise<Started>,
): Promise<Started> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start(await findFreePorts(count))
    } catch (error) {
      if (!(error instanceof PortTakenError) || attempt === ATTEMPTS) throw error
    }
  }
}

/** Draws ports by lot, so that processes that look at the same time find different ones. */
async function findFreePorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>()
  while (ports.size < count) {
    const port = randomInt(FIRST, END)
    if (!ports.has(port) && (await isFree(port)) && (await isFree(port + BUS_OFFSET))) ports.add(port)
  }
  return [...ports]
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer()
  try {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening')
  } catch {
    return false
  }
  server.close()
  await once(server, 'close')
  return true
}
