/**
 * Writes of one turn of the event loop as one script, each of them by itself.
 *
 * @module
 */

import type { SessionRecord, WriteResult } from '../store.ts'
import { createWriteBatch } from '../write-batch.ts'
import type { RedisLink } from './clients.ts'
import type { RedisCommands } from './commands.ts'
import { toUnavailable } from './errors.ts'
import type { PrincipalIndex } from './principals.ts'
import type { SessionKeys } from './reads.ts'
import { encodeRecord, keepUntil } from './record.ts'
import { Outcome, putScript } from './scripts.ts'
import type { RedisStoreSettings } from './settings.ts'

/** Sessions in one script, so that it does not keep the server from others for long: each takes it 30 µs. */
const BATCH = 64

/** One session to be stored. */
interface Put {
  /** Record, use and, where keys are not spread, the index of its user. */
  readonly keys: readonly string[]
  /** What {@link putScript} takes for a session. */
  readonly text: string
}

/** What writes need of the store. */
export interface WriteParts {
  readonly link: RedisLink
  readonly commands: RedisCommands
  readonly index: PrincipalIndex
  readonly keysOf: (key: string) => SessionKeys
  readonly wait: RedisStoreSettings['wait']
}

/**
 * Creates the function that stores a session: a new one without a version, else the one that has it.
 *
 * On a cluster a script may only name keys of one slot, so there each session is written by itself.
 */
export function createWrites(
  parts: WriteParts,
): (
  key: string,
  record: SessionRecord,
  version: number | undefined,
  user: string | undefined,
) => Promise<WriteResult> {
  const { link, commands, index, keysOf, wait } = parts
  const send = createWriteBatch<Put, WriteResult>(sendAll, { limit: link.isCluster ? 1 : BATCH })

  async function sendAll(puts: readonly Put[], since: number): Promise<readonly (WriteResult | Error)[]> {
    const keys: string[] = []
    const args: string[] = []
    for (const put of puts) {
      keys.push(...put.keys)
      args.push(put.text)
    }
    const answers = await commands.write(putScript, { keys, args, wait, since })
    return puts.map((_, at) => readAnswer(answers[2 * at + 1], answers[2 * at + 2]))
  }

  return (key, record, version, user) => {
    const { record: recordKey, use: useKey } = keysOf(key)
    const indexed = user !== undefined && !link.isCluster
    const keys = indexed ? [recordKey, useKey, user] : [recordKey, useKey]
    const put = { keys, text: `${keys.length} ${version ?? '-'} ${encodeRecord(record)}` }
    if (user === undefined || indexed) return send(put)
    // The index first, or in the same step where keys are not spread: it may name too many sessions, never too few.
    return index.enter(user, key, keepUntil(record.lastSeenAt, record.expiresAt)).then(() => send(put))
  }
}

function readAnswer(outcome: unknown, detail: unknown): WriteResult | Error {
  switch (Number(outcome)) {
    case Outcome.done:
      return { outcome: 'written', version: Number(detail) }
    case Outcome.conflict:
      return { outcome: 'conflict' }
    case Outcome.gone:
      return { outcome: 'gone' }
    default:
      return toUnavailable(new Error(String(detail)))
  }
}
