/**
 * The index of users: for each a sorted set of the keys that may be sessions of theirs.
 *
 * It is a superset that is never trusted: a key is in it before its record is, and whoever lists reads the records and takes
 * those out that are none. A score holds when the record is gone for sure, in seconds, and in its lower 20 bits when the
 * key was entered: another server may be about to create the record of a key that is new.
 *
 * @module
 */

import { createHash } from 'node:crypto'
import type { StoredSession } from '../store.ts'
import type { RedisCommands } from './commands.ts'
import { toText } from './record.ts'
import { enterScript, leaveScript, membersScript, SCORE_UNIT } from './scripts.ts'

/** Age at which an entry without a record is no creation under way, in seconds. Longer than a write may take. */
const SETTLED_AFTER = 10

/** Records that a list reads at a time. */
const CHUNK = 128

/** A key with its score. */
type Entry = readonly [key: string, score: string]

/** The index of users. */
export interface PrincipalIndex {
  /** Name of a user's set; `undefined` for a visitor. */
  keyOf(principal: string | undefined): string | undefined
  /** Enters a key, or keeps it in for longer. */
  enter(index: string, key: string, keepUntil: number): Promise<void>
  /** Takes a key out whose record was deleted, as far as that is possible. Nobody waits for it. */
  leave(principal: string | undefined, key: string): void
  /** Reads what a user has, and takes out what is not theirs. */
  list(principal: string): Promise<readonly StoredSession[]>
}

/** Creates the index; `read` gives `undefined` for what cannot be listed. */
export function createPrincipalIndex(
  prefix: string,
  commands: RedisCommands,
  read: (key: string) => Promise<StoredSession | undefined>,
): PrincipalIndex {
  function keyOf(principal: string | undefined): string | undefined {
    if (principal === undefined) return undefined
    return `${prefix}p:${createHash('sha256').update(toText(principal)).digest('base64url')}`
  }

  async function remove(index: string, entries: readonly string[]): Promise<void> {
    // What stays in is found again by the next list.
    await commands.run(leaveScript, { keys: [index], args: ['0', ...entries] }).catch(() => undefined)
  }

  async function members(index: string): Promise<{ seconds: number; entries: readonly Entry[] }> {
    const answer = (await commands.run(membersScript, { keys: [index] })) as readonly unknown[]
    return { seconds: Number(answer[0]), entries: pairs(answer.slice(1).map(String)) }
  }

  return {
    keyOf,

    async enter(index, key, keepUntil) {
      await commands.run(enterScript, { keys: [index], args: ['0', keepUntil, key] })
    },

    leave(principal, key) {
      const index = keyOf(principal)
      if (index !== undefined) void remove(index, [key, ''])
    },

    async list(principal) {
      const index = keyOf(principal)
      if (index === undefined) return []
      const seen = new Set<string>()
      const sessions: StoredSession[] = []
      const strays: string[] = []
      for (;;) {
        const { seconds, entries } = await members(index)
        const unseen = entries.filter(([key]) => !seen.has(key))
        let hasMoved = false
        for (let start = 0; start < unseen.length; start += CHUNK) {
          const chunk = unseen.slice(start, start + CHUNK)
          const found = await Promise.all(chunk.map(([key]) => read(key)))
          for (const [position, [key, score]] of chunk.entries()) {
            const session = found[position]
            seen.add(key)
            if (session?.principal === principal) sessions.push(session)
            else {
              hasMoved = true
              if (ageOf(score, seconds) >= SETTLED_AFTER) strays.push(key, score)
            }
          }
        }
        // A session that was moved to a new key since the index was read is found under neither: not under the old key, as
        // it is there no more, nor under the new one, which was entered before. Whoever revokes would miss it.
        if (!hasMoved) break
      }
      if (strays.length > 0) await remove(index, strays)
      return sessions
    },
  }
}

/** Seconds since an entry was made; small again after twelve days, when a stray is left for the next list. */
function ageOf(score: string, seconds: number): number {
  return (((seconds - Number(score)) % SCORE_UNIT) + SCORE_UNIT) % SCORE_UNIT
}

function pairs(flat: readonly string[]): readonly Entry[] {
  return flat.flatMap((text, index) => (index % 2 === 0 ? [[text, flat[index + 1] ?? ''] as const] : []))
}
