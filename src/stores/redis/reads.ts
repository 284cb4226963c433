/**
 * Reads of one turn of the event loop as one command.
 *
 * @module
 */

import { createReadBatch } from '../read-batch.ts'
import type { StoredSession } from '../store.ts'
import type { RedisLink } from './clients.ts'
import type { RedisCommands } from './commands.ts'
import { corrupt, decodeSession } from './record.ts'

/** Sessions in one command, so that no answer holds up the connection for long. */
const BATCH = 64

/** Names of what is kept for a session. */
export interface SessionKeys {
  readonly record: string
  readonly use: string
}

/**
 * Creates `read`.
 *
 * On a cluster a command may only name keys of one slot, so there each session is read by itself.
 */
export function createReads(
  link: RedisLink,
  commands: RedisCommands,
  keysOf: (key: string) => SessionKeys,
): (key: string) => Promise<StoredSession | undefined> {
  /** Tells an absent key from one that holds no string, which no store wrote: MGET gives null for either. */
  async function isAbsent(key: string): Promise<boolean> {
    return String(await commands.send(key, 'TYPE', key)) === 'none'
  }

  async function explainHalf(key: string, missing: 'record' | 'use'): Promise<undefined> {
    if (await isAbsent(keysOf(key)[missing])) return undefined
    throw corrupt(missing === 'record' ? 'record' : 'last use')
  }

  return createReadBatch(
    async (keys) => {
      const names: string[] = []
      for (const key of keys) {
        const { record, use } = keysOf(key)
        names.push(record, use)
      }
      const values = (await commands.send(names[0] ?? '', 'MGET', ...names)) as readonly (string | null)[]
      return (key, place) => {
        const record = values[2 * place] ?? null
        const use = values[2 * place + 1] ?? null
        // The use expires with the session, to the millisecond of the server's clock.
        if (record !== null && use !== null) return decodeSession(key, record, use)
        if (record === use) return undefined
        return explainHalf(key, record === null ? 'record' : 'use')
      }
    },
    { limit: link.isCluster ? 1 : BATCH },
  )
}
