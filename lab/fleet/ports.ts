/**
 * Says in a sentence what is wrong with a port, before anything is started that would have to be ended again.
 *
 * @module
 */

import { once } from 'node:events'
import { createServer } from 'node:net'

/** The lab cannot listen where it was told to. */
export class PortError extends Error {
  override readonly name = 'PortError'
}

/**
 * Makes sure that a port on 127.0.0.1 is free.
 *
 * @param option Command line option by which another one can be chosen.
 * @throws {PortError}
 */
export async function expectFreePort(port: number, option: string): Promise<void> {
  const server = createServer()
  try {
    server.listen({ host: '127.0.0.1', port })
    await once(server, 'listening')
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    const why = code === 'EADDRINUSE' ? 'is taken, perhaps by another lab' : `cannot be used (${code})`
    throw new PortError(`Port ${port} on 127.0.0.1 ${why}: choose another one with ${option}`, { cause })
  }
  server.close()
  await once(server, 'close')
}
