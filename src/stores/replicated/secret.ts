/**
 * The secret that all servers authenticate stamps with. It is in the log itself, so there is nothing to configure: the
 * first server makes it, and it is written again before it ages out.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { NO_DATA } from './codec.ts'
import type { LogEntry, ReplicatedLog } from './log.ts'
import { SECRET } from './names.ts'

const BYTES = 32
/** The same in base64url. */
const LENGTH = 43

/** Whether there is none that counts. */
export function needsSecret(entry: LogEntry | undefined): boolean {
  return !entry || entry.removed || entry.meta.length < LENGTH
}

/**
 * Whether the log still has the secret that is known of it, or none is known. It is only ever written again as it is, so
 * a log with another one, or with none, has been emptied in between.
 */
export function isSameSecret(known: LogEntry | undefined, found: LogEntry | undefined): boolean {
  return known === undefined || needsSecret(known) || known.meta === found?.meta
}

/** Puts a secret into the log when there is none, or when the one there has lived for half of the log's age. */
export function shareSecret(log: ReplicatedLog, entry: LogEntry | undefined, now: number): void {
  const isMissing = needsSecret(entry)
  if (!isMissing && entry && now - entry.at < log.maxAge / 2) return
  const meta = entry && !isMissing ? entry.meta : randomBytes(BYTES).toString('base64url')
  // Whoever comes second gets the winner's by the watch.
  log.put(SECRET, { meta, data: NO_DATA }, entry?.revision ?? 0).catch(() => undefined)
}
