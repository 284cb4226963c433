/**
 * Revocations in the memory of this process: for one server, for development, and for tests.
 *
 * @module
 */

import type { RevocationEntry, RevocationListener, RevocationLog } from '../revocation-log.ts'
import { createSweeper, identityOf } from './denials.ts'

/** Options of {@link createMemoryRevocationLog}. */
export interface MemoryRevocationLogOptions {
  /** Clock, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
}

/**
 * Creates a log that is lost with the process: after a restart, tokens that were revoked before are good until they
 * expire. For more than one server, or to survive one, take the log of a back end.
 */
export function createMemoryRevocationLog(options: MemoryRevocationLogOptions = {}): RevocationLog {
  const { now = Date.now } = options
  const entries = new Map<string, RevocationEntry>()
  const sweep = createSweeper(entries)
  const listeners = new Set<RevocationListener>()
  let sequence = 0

  return {
    name: 'memory',
    now: async () => now(),
    async append(entry) {
      entries.set(identityOf(entry), entry)
      sweep(now())
      const number = (sequence += 1)
      for (const listener of listeners) listener.appended(number, entry)
    },
    async snapshot() {
      const at = now()
      return { sequence, entries: [...entries.values()].filter(({ expiresAt }) => expiresAt > at) }
    },
    subscribe(listener) {
      listeners.add(listener)
      return {
        async echo(nonce) {
          if (listeners.has(listener)) listener.echoed(nonce, sequence)
        },
        async close() {
          listeners.delete(listener)
        },
      }
    },
  }
}
