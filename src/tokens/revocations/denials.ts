/**
 * The revocations that this process knows of, to be asked for every token.
 *
 * @module
 */

import type { RevocableClaims } from '../revocation-check.ts'
import type { RevocationEntry } from '../revocation-log.ts'

/** What was revoked. It only grows, until entries expire: adding one twice, late or out of order does no harm. */
export interface Denials {
  readonly size: number
  /** @param now Time by the log's clock: some of what has expired is dropped. */
  add(entry: RevocationEntry, now: number): void
  isDenied(claims: RevocableClaims): boolean
  /** First second of issue from which on tokens of a user are good; 0 when any is. */
  validFrom(sub: string): number
  /** Everything that has not expired. */
  list(now: number): RevocationEntry[]
}

/** Entries looked at for each one that is added, so that the expired leave at least as fast as new ones come. */
const SWEPT_PER_ADD = 2

/** Creates an empty list. */
export function createDenials(): Denials {
  const sessions = new Map<string, RevocationEntry>()
  const users = new Map<string, RevocationEntry>()
  const everyone = new Map<string, RevocationEntry>()
  const byKind = { session: sessions, user: users, everyone } as const
  const sweepers = {
    session: createSweeper(sessions),
    user: createSweeper(users),
    everyone: createSweeper(everyone),
  } as const

  function validFrom(sub: string): number {
    return Math.max(users.get(sub)?.validFrom ?? 0, everyone.get('')?.validFrom ?? 0)
  }

  return {
    get size() {
      return sessions.size + users.size + everyone.size
    },
    add(entry, now) {
      const entries = byKind[entry.kind]
      const known = entries.get(entry.subject)
      entries.set(entry.subject, known ? merge(known, entry) : entry)
      sweepers[entry.kind](now)
    },
    isDenied: ({ sub, sid, iat }) => (sid !== undefined && sessions.has(sid)) || iat < validFrom(sub),
    validFrom,
    list: (now) =>
      [sessions, users, everyone].flatMap((entries) =>
        [...entries.values()].filter((entry) => entry.expiresAt > now),
      ),
  }
}

/** Names what an entry is about; of two with the same name, the one that expires later is enough. */
export function identityOf({ kind, subject, validFrom }: RevocationEntry): string {
  return JSON.stringify([kind, subject, validFrom])
}

/** Of two revocations of the same, the stricter one, for as long as either lasts. */
function merge(one: RevocationEntry, other: RevocationEntry): RevocationEntry {
  const validFrom = Math.max(one.validFrom, other.validFrom)
  return { ...one, validFrom, expiresAt: Math.max(one.expiresAt, other.expiresAt) }
}

/**
 * Creates a function that drops the next few entries if they have expired, so no timer and no full scan is needed.
 *
 * It keeps its place. Looking at the oldest each time, and putting the living behind the others, took 8.7 s for
 * 100,000 entries: a map walks over the holes of what was deleted.
 */
export function createSweeper(entries: Map<string, RevocationEntry>): (now: number) => void {
  let rest = entries.entries()
  return (now) => {
    for (let looked = 0; looked < SWEPT_PER_ADD; looked++) {
      const { done, value } = rest.next()
      if (done) {
        rest = entries.entries()
        return
      }
      const [name, entry] = value
      if (entry.expiresAt <= now) entries.delete(name)
    }
  }
}
