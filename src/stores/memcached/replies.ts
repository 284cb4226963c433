/**
 * Cuts what a memcached server sends into replies.
 *
 * @module
 */

/** One reply: a line, and the value that follows `VA`. */
export interface Reply {
  /** First word: `HD`, `VA`, `EN`, `NF`, `NS`, `EX`, `MN`, `STAT`, `SERVER_ERROR`, … */
  readonly status: string
  /** The line without its line break. */
  readonly line: string
  /** Bytes of the value; `undefined` where the reply has none. */
  readonly value: Buffer | undefined
}

/** Longest line of a reply; memcached's own are below 2 KiB. */
const MAX_LINE = 8_192

/** Longest value taken in. A server that announces more is not one that this client has filled. */
const MAX_VALUE = 64 * 1_024 * 1_024

const NEWLINE = 10

/**
 * Creates a reader.
 *
 * @param onReply Called for each reply, in order.
 * @returns Takes in the next bytes. It throws when they are no reply of memcached's: the stream is of no use then.
 */
export function createReplyReader(onReply: (reply: Reply) => void): (chunk: Buffer) => void {
  let kept: Buffer[] = []
  let keptLength = 0
  /** Bytes without which nothing can be read. A value of a megabyte comes in some 16 pieces and is joined once. */
  let needed = 0

  function keep(bytes: Buffer, atLeast: number): void {
    kept = [bytes]
    keptLength = bytes.length
    needed = atLeast
  }

  return (chunk) => {
    let bytes = chunk
    if (keptLength > 0) {
      kept.push(chunk)
      keptLength += chunk.length
      if (keptLength < needed) return
      bytes = Buffer.concat(kept, keptLength)
      kept = []
      keptLength = 0
    }
    for (let at = 0; at < bytes.length;) {
      const newline = bytes.indexOf(NEWLINE, at)
      if (newline === -1) {
        if (bytes.length - at > MAX_LINE) throw new Error('It sent a line that is too long for memcached')
        return keep(bytes.subarray(at), 0)
      }
      const line = bytes.toString('latin1', at, newline).trimEnd()
      const space = line.indexOf(' ')
      const status = space === -1 ? line : line.slice(0, space)
      if (status !== 'VA') {
        onReply({ status, line, value: undefined })
        at = newline + 1
        continue
      }
      const size = Number.parseInt(line.slice(space + 1), 10)
      if (!(size >= 0 && size <= MAX_VALUE)) throw new Error('It announced a value of no sensible size')
      const start = newline + 1
      const end = start + size + 2
      if (bytes.length < end) return keep(bytes.subarray(at), end - at)
      if (bytes[end - 1] !== NEWLINE) throw new Error('It sent a value that is longer than announced')
      onReply({ status, line, value: bytes.subarray(start, start + size) })
      at = end
    }
  }
}

/** Value of a flag that a reply returns, as `c` for its compare-and-set token; `undefined` when it has none. */
export function flagOf({ line }: Reply, flag: string): string | undefined {
  const at = line.indexOf(` ${flag}`)
  if (at === -1) return undefined
  const end = line.indexOf(' ', at + 1)
  return line.slice(at + 2, end === -1 ? undefined : end)
}
