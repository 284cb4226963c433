/**
 * Whether full copies are still worth their traffic.
 *
 * Every server gets every write: N servers cost N + 2 messages for each. Beyond a point it is cheaper to tell the
 * others only that something was written, and to ask for what is needed.
 *
 * @module
 */

import type { LogEntry } from './log.ts'
import { echoOwnerOf, sessionKeyOf } from './names.ts'

/** Beyond what a copy holds metadata only. */
export interface FullCopyLimits {
  /** Servers that follow the log. @default 8 */
  readonly servers?: number
  /** Writes per second on all servers together, in the mean of ten seconds. @default 2_000 */
  readonly writesPerSecond?: number
  /** Bytes that the sessions take up in one process. @default 1_073_741_824 (1 GiB) */
  readonly bytes?: number
}

/** Follows how large the installation is. */
export interface Scale {
  /** Servers heard of lately. */
  readonly servers: number
  /** Writes per second in the last full window. */
  readonly writesPerSecond: number
  /** Counts what the watch delivers. */
  count(entry: LogEntry): void
  /** Whether copies should have the data, given what they take up. Does not waver around a limit. */
  wantsData(bytes: number): boolean
}

/** Window of the mean, and how long a server that is not heard of counts, in milliseconds. */
const WINDOW = 10_000
/** A copy becomes full again below this share of each limit. */
const RETURN = 0.5

/** Creates a scale with a monotonic clock in milliseconds. */
export function createScale(limits: FullCopyLimits, monotonic: () => number): Scale {
  const {
    servers: maxServers = 8,
    writesPerSecond: maxWrites = 2_000,
    bytes: maxBytes = 1_073_741_824,
  } = limits
  const heard = new Map<string, number>()
  let began = monotonic()
  let writes = 0
  let rate = 0
  let isFull = true

  function turn(): void {
    const now = monotonic()
    if (now - began < WINDOW) return
    rate = (writes * 1_000) / (now - began)
    writes = 0
    began = now
    for (const [owner, at] of heard) if (now - at > WINDOW) heard.delete(owner)
  }

  return {
    get servers() {
      return heard.size
    },
    get writesPerSecond() {
      return rate
    },
    count({ key }) {
      turn()
      const owner = echoOwnerOf(key)
      if (owner !== undefined) heard.set(owner, monotonic())
      else if (sessionKeyOf(key) !== undefined) writes += 1
    },
    wantsData(bytes) {
      turn()
      const share = isFull ? 1 : RETURN
      isFull = heard.size <= maxServers * share && rate <= maxWrites * share && bytes <= maxBytes * share
      return isFull
    },
  }
}
