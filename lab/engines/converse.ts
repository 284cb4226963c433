/**
 * Asks a server that speaks in lines of text, without a client for it.
 *
 * @module
 */

import { connect } from 'node:net'

const TIMEOUT = 1_000

/**
 * Sends lines to a port on 127.0.0.1 and resolves to everything that it answers until it hangs up.
 *
 * @param lines The last one should make the server hang up: `QUIT`.
 * @param last What comes after the answer of a server that does not.
 * @throws When nobody listens, or the answer is not complete within a second.
 */
export async function converse(port: number, lines: readonly string[], last?: string): Promise<string> {
  const socket = connect({ host: '127.0.0.1', port }).setEncoding('utf8')
  const patience = setTimeout(() => socket.destroy(new Error(`Port ${port} does not answer`)), TIMEOUT)
  let answer = ''
  socket.write(lines.map((line) => `${line}\r\n`).join(''))
  try {
    for await (const text of socket as AsyncIterable<string>) {
      answer += text
      const end = last === undefined ? -1 : answer.indexOf(last)
      if (end >= 0) return answer.slice(0, end)
    }
    return answer
  } finally {
    clearTimeout(patience)
    socket.destroy()
  }
}
