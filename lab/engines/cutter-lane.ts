/**
 * One direction of one connection through a cutter.
 *
 * @module
 */

import type { Socket } from 'node:net'

/** What lets a lane through, and when. */
export interface LineState<Direction> {
  readonly isOpen: (direction: Direction) => boolean
  /** How much later everything arrives, in milliseconds. */
  readonly delay: () => number
}

/** One direction of one connection. */
export interface Lane {
  /** Sends what may be sent; to be called when the state of the line has changed. */
  move(): void
}

interface Parcel {
  /** Bytes, or what became of the connection after them. */
  readonly content: Buffer | 'end' | 'reset'
  readonly dueAt: number
}

/** Bytes under way at which the sender has to wait, as it would for a window that is full. */
const WINDOW = 1_048_576

/** Carries from one socket to another: bytes, then the end or the break of the connection. */
export function createLane<Direction>(
  from: Socket,
  to: Socket,
  direction: Direction,
  { isOpen, delay }: LineState<Direction>,
): Lane {
  const parcels: Parcel[] = []
  let bytes = 0
  let ended = false
  let timer: NodeJS.Timeout | undefined

  function accept(content: Parcel['content']): void {
    parcels.push({ content, dueAt: Date.now() + delay() })
    if (typeof content === 'object') bytes += content.length
    if (bytes > WINDOW) from.pause()
    move()
  }

  function move(): void {
    clearTimeout(timer)
    for (let [parcel] = parcels; parcel && isOpen(direction) && !to.writableNeedDrain; [parcel] = parcels) {
      const wait = parcel.dueAt - Date.now()
      if (wait > 0) {
        timer = setTimeout(move, wait)
        return
      }
      parcels.shift()
      deliver(parcel.content)
    }
    if (bytes <= WINDOW && !ended) from.resume()
  }

  function deliver(content: Parcel['content']): void {
    if (content === 'end') to.end()
    else if (content === 'reset') to.resetAndDestroy()
    else {
      bytes -= content.length
      to.write(content)
    }
  }

  from.on('data', accept)
  from.once('end', () => {
    ended = true
    accept('end')
  })
  from.once('close', () => {
    if (!ended) accept('reset')
    ended = true
  })
  to.on('drain', move)
  to.once('close', () => {
    parcels.length = 0
    clearTimeout(timer)
  })
  return { move }
}
