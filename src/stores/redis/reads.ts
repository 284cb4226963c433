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

/** What the record and the use of a session hold. */
type Pair = readonly [record: string | null, use: string | null]

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
  const readPair = createReadBatch<Pair>(readPairs, {
    limit: link.isCluster ? 1 : BATCH,
  })

  async function readPairs(keys: readonly string[]): Promise<ReadonlyMap<string, Pair>> {
    const names = keys.flatMap((key) => {
      const { record, use } = keysOf(key)
      return [record, use]
    })
    const values = (await commands.send(names[0] ?? '', 'MGET', ...names)) as readonly (string | null)[]
    return new Map(
      keys.map((key, index) => [key, [values[2 * index] ?? null, values[2 * index + 1] ?? null]]),
    )
  }

  /** Tells an absent key from one that holds no string, which no store wrote: MGET gives null for either. */
  async function isAbsent(key: string): Promise<boolean> {
    return String(await commands.send(key, 'TYPE', key)) === 'none'
  }

  async function explainHalf(key: string, missing: 'record' | 'use'): Promise<undefined> {
    if (await isAbsent(keysOf(key)[missing])) return undefined
    throw corrupt(missing === 'record' ? 'record' : 'last use')
  }

  function understand(key: string, pair: Pair | undefined): StoredSession | Promise<undefined> | undefined {
    const [record, use] = pair ?? [null, null]
    // The use expires with the session, to the millisecond of the server's clock.
    if (record !== null && use !== null) return decodeSession(key, record, use)
    if (record === use) return undefined
    return explainHalf(key, record === null ? 'record' : 'use')
  }

  // No async function: this is on the path of every request.
  return (key) => readPair(key).then((pair) => understand(key, pair))
}
