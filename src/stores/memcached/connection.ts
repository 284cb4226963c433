/**
 * One connection to a memcached server: commands of a turn of the event loop leave in one write, answers come in order.
 *
 * @module
 */

import type { Socket } from 'node:net'
import { createReplyReader, flagOf, type Reply } from './replies.ts'

/** Options of {@link createConnection}. */
export interface ConnectionOptions {
  /** Longest wait for an answer, in milliseconds. */
  readonly commandTimeout: number
  /** Most commands under way. */
  readonly maxPending: number
  /** Most bytes that wait to be sent. */
  readonly maxBuffered: number
  /** Called once, when the connection is of no use any more. */
  readonly onEnd: (reason: Error) => void
}

/** A connection. */
export interface Connection {
  /** Sends a meta command, without its line break, and a value. Rejects with what is wrong with the connection. */
  meta(command: string, value?: Buffer): Promise<Reply>
  /** Sends a `stats` command and collects what it lists. */
  list(command: string): Promise<ReadonlyMap<string, string>>
  /** Sends something else that is answered by one line. */
  line(command: string): Promise<Reply>
  end(reason: Error): void
}

interface Pending {
  readonly sentAt: number
  /** What the answer repeats; `undefined` where the command cannot carry it. */
  readonly opaque: string | undefined
  readonly listed: Map<string, string> | undefined
  resolve: (reply: Reply) => void
  reject: (reason: Error) => void
  /** Its caller has been told that there was no answer in time; the answer may still come and is passed over. */
  missed: boolean
  next: Pending | undefined
}

const CRLF = '\r\n'

/** Creates a connection on a socket that is connected. */
export function createConnection(socket: Socket, options: ConnectionOptions): Connection {
  const { commandTimeout, maxPending, maxBuffered, onEnd } = options
  let first: Pending | undefined
  let last: Pending | undefined
  let pending = 0
  let opaques = 0
  let heardAt = 0
  let armed = false
  let ended: Error | undefined
  let unsent: (string | Buffer)[] = []
  let unsentBytes = 0

  const read = createReplyReader(take)
  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => {
    heardAt = performance.now()
    try {
      read(chunk)
    } catch (error) {
      end(error as Error)
    }
  })
  socket.on('error', end)
  socket.on('close', () => end(new Error('It closed the connection')))

  function take(reply: Reply): void {
    const entry = first
    if (ended) return
    if (!entry) throw new Error('It sent an answer that nobody asked for')
    const { status, line } = reply
    if (status === 'STAT' && entry.listed) {
      const space = line.indexOf(' ', 5)
      entry.listed.set(line.slice(5, space), line.slice(space + 1))
      return
    }
    // After these it may take the rest of the command for commands, and each later answer for another's.
    if (status === 'ERROR' || status === 'CLIENT_ERROR') throw new Error(`It does not understand: ${line}`)
    const refused = status === 'SERVER_ERROR'
    // Nobody may ever be given what another asked for.
    if (!refused && entry.opaque !== undefined && flagOf(reply, 'O') !== entry.opaque) {
      throw new Error('It gave the answer to another command')
    }
    first = entry.next
    last = first ? last : undefined
    pending--
    if (entry.missed) return
    if (refused) entry.reject(new Error(line))
    else entry.resolve(reply)
  }

  function end(reason: Error): void {
    if (ended) return
    ended = reason
    socket.destroy()
    unsent = []
    for (let entry = first; entry; entry = entry.next) if (!entry.missed) entry.reject(reason)
    first = last = undefined
    onEnd(reason)
  }

  function send(
    head: string,
    value: Buffer | undefined,
    expected: Pick<Pending, 'opaque' | 'listed'>,
  ): Promise<Reply> {
    if (ended) return Promise.reject(ended)
    const bytes = head.length + (value ? value.length + 4 : 2)
    if (pending >= maxPending || socket.writableLength + unsentBytes + bytes > maxBuffered) {
      return Promise.reject(new Error('Too many commands wait for its answers'))
    }
    queue(head + CRLF)
    if (value) {
      unsent.push(value)
      queue(CRLF)
    }
    // Requests of one turn come in several callbacks, so the write waits for the end of the turn.
    if (unsentBytes === 0) setImmediate(flush)
    unsentBytes += bytes
    return new Promise((resolve, reject) => {
      const entry = {
        ...expected,
        sentAt: performance.now(),
        resolve,
        reject,
        missed: false,
        next: undefined,
      }
      if (last) last.next = entry
      else first = entry
      last = entry
      pending++
      if (!armed) arm(commandTimeout)
    })
  }

  function queue(text: string): void {
    const end = unsent.length - 1
    const before = unsent[end]
    if (typeof before === 'string') unsent[end] = before + text
    else unsent.push(text)
  }

  function flush(): void {
    const parts = unsent
    unsent = []
    unsentBytes = 0
    if (ended) return
    socket.cork()
    for (const part of parts) socket.write(part, 'latin1')
    socket.uncork()
  }

  function arm(delay: number): void {
    armed = true
    // After a stall of this process the answers may lie there unread: they are taken in before anybody is refused.
    setTimeout(() => setImmediate(expire), delay)
  }

  /** One timer for all: they have the same timeout and end in order. It goes off at most once in a timeout. */
  function expire(): void {
    armed = false
    const now = performance.now()
    for (let entry = first; entry; entry = entry.next) {
      if (entry.missed) continue
      const remaining = entry.sentAt + commandTimeout - now
      if (remaining > 0) return arm(remaining)
      const reason = new Error(`It gave no answer in ${commandTimeout} ms`)
      // A server that is paused or cut off is silent; one that is slow is heard of, and its answers still come in order.
      if (now - heardAt >= commandTimeout) return end(reason)
      entry.missed = true
      entry.reject(reason)
    }
  }

  return {
    meta(command, value) {
      const opaque = String((opaques = (opaques + 1) % 1_000_000_000))
      return send(`${command} O${opaque}`, value, { opaque, listed: undefined })
    },
    async list(command) {
      const listed = new Map<string, string>()
      await send(command, undefined, { opaque: undefined, listed })
      return listed
    },
    line: (command) => send(command, undefined, { opaque: undefined, listed: undefined }),
    end,
  }
}
