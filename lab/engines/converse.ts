/**
 * Asks a server that speaks in lines of text, without a client for it.
 *
 * @module
 */

import { once } from 'node:events'
import { connect } from 'node:net'

const TIMEOUT = 1_000

/**
 * Sends lines to a port on 127.0.0.1 and resolves to everything that it answers until it hangs up.
 *
 * @param lines The last one must make the server hang up: `QUIT`.
 * @throws When nobody listens, or the server does not hang up within a second.
 */
export async function converse(port: number, lines: readonly string[]): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port })
  const patience = setTimeout(() => socket.destroy(new Error(`Port ${port} does not answer`)), TIMEOUT)
  let answer = ''
  socket.setEncoding('utf8').on('data', (text: string) => {
    answer += text
  })
  socket.write(lines.map((line) => `${line}\r\n`).join(''))
  try {
    await once(socket, 'end')
    return answer
  } finally {
    clearTimeout(patience)
    socket.destroy()
  }
}
