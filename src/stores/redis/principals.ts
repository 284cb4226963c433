/**
 * The index of users: for each a sorted set of the keys that may be sessions of theirs.
 *
 * It is a superset that is never trusted: a key is in it before its record is, and whoever lists reads the records and takes
 * those out that are none. A score holds when the record is gone for sure, in seconds, and in its lower 20 bits when the
 * key was entered: another server may be about to create the record of a key that is new.
 *
 * @module
 */

import { hash } from 'node:crypto'
import { type StoredSession, StoreUnavailableError } from '../store.ts'
import type { RedisCommands } from './commands.ts'
import { toText } from '../plain-text.ts'
import { enterScript, leaveScript, membersScript, SCORE_UNIT } from './scripts.ts'

/** Age at which an entry without a record is no creation under way, in seconds. Longer than a write may take. */
const SETTLED_AFTER = 10

/** Records that a list reads at a time. */
const CHUNK = 128

/** Looks at a set before giving up, as sessions are being moved all the time. */
const MAX_ROUNDS = 50

/** A key with its score. */
type Entry = readonly [key: string, score: string]

/** A key in the set of a user that is no session of theirs. */
interface Stray {
  readonly entry: Entry
  /** Seconds since it was entered. */
  readonly age: number
  /** One that is absent may be about to be created; the other will never be theirs again. */
  readonly state: 'absent' | 'not theirs'
}

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
    return `${prefix}p:${hash('sha256', toText(principal), 'base64url')}`
  }

  async function remove(index: string, entries: readonly string[]): Promise<void> {
    // What stays in is found again by the next list.
    await commands.run(leaveScript, { keys: [index], args: ['0', ...entries] }).catch(() => undefined)
  }

  /** Reads what a user's set names, but for those that are in `own` already; adds theirs and gives the others. */
  async function look(
    index: string,
    principal: string,
    own: Map<string, StoredSession>,
  ): Promise<Map<string, Stray>> {
    const answer = (await commands.run(membersScript, { keys: [index] })) as readonly unknown[]
    const seconds = Number(answer[0])
    const entries = pairs(answer.slice(1).map(String)).filter(([key]) => !own.has(key))
    const strays = new Map<string, Stray>()
    for (let start = 0; start < entries.length; start += CHUNK) {
      const chunk = entries.slice(start, start + CHUNK)
      const found = await Promise.all(chunk.map(([key]) => read(key)))
      for (const [position, entry] of chunk.entries()) {
        const session = found[position]
        const [key, score] = entry
        if (session?.principal === principal) own.set(key, session)
        else strays.set(key, { entry, age: ageOf(score, seconds), state: session ? 'not theirs' : 'absent' })
      }
    }
    return strays
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
      const own = new Map<string, StoredSession>()
      let strays = new Map<string, Stray>()
      for (let round = 1; round <= MAX_ROUNDS; round++) {
        const before = strays
        strays = await look(index, principal, own)
        // A session may be moved to a new key while this goes on: it is not found under that one yet, and under the old
        // one no more. Then the old key has changed its state, and whoever revokes would miss the session.
        if ([...strays].every(([key, { state }]) => before.get(key)?.state === state)) {
          const settled = [...strays.values()].filter(({ age }) => age >= SETTLED_AFTER)
          if (settled.length > 0) {
            const entries = settled.flatMap(({ entry }) => entry)
            await remove(index, entries)
          }
          return [...own.values()]
        }
      }
      throw new StoreUnavailableError(
        "Cannot list a user's sessions in the Redis session store: they keep being moved to new ids; try again",
      )
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
