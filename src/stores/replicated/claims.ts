/**
 * Room for deletions: whoever loses a session to another writer while deleting it says so, and all servers stand back.
 *
 * A claim decides nothing. A deletion still names the revision that it replaces, and who has not heard of the claim may
 * come first once more. One that outlives its deletion lapses.
 *
 * @module
 */

import { NO_DATA } from './codec.ts'
import type { LogEntry, ReplicatedLog } from './log.ts'
import { claimedKeyOf, claimName, sessionKeyOf } from './names.ts'

/** Sessions that somebody is deleting. */
export interface Claims {
  /** Asks every server to stand back. It does not wait; call the result when the deletion has ended, however it did. */
  claim(key: string): () => void
  /** Resolves when nobody claims the session. A promise only where somebody does: this is on the path of every write. */
  standBack(key: string): Promise<void> | undefined
  /** Takes in what the watch delivers. */
  deliver(entry: LogEntry): void
}

/**
 * Longest time that a writer stands back, in milliseconds: some round trips of a log under load, and less than the
 * deadline that the engine gives the writer.
 */
const LIFETIME = 300

interface Claim {
  readonly release: () => void
  readonly released: Promise<void>
}

/** Creates the claims of one server, whose own come back by the watch with its name. */
export function createClaims(log: Pick<ReplicatedLog, 'append'>, owner: string): Claims {
  const claims = new Map<string, Claim>()

  function hold(key: string): void {
    // Another's is as good. It is not prolonged: who stands back has a deadline of its own.
    if (claims.has(key)) return
    let free!: () => void
    const released = new Promise<void>((resolve) => (free = resolve))
    const timer = setTimeout(release, LIFETIME).unref()
    function release(): void {
      clearTimeout(timer)
      claims.delete(key)
      free()
    }
    claims.set(key, { release, released })
  }

  return {
    claim(key) {
      hold(key)
      // Without an answer, only the writers of this server stand back.
      log.append(claimName(key), { meta: owner, data: NO_DATA }).catch(() => undefined)
      return () => claims.get(key)?.release()
    },
    standBack: (key) => claims.get(key)?.released,
    deliver({ key: name, meta, removed }) {
      const claimed = claimedKeyOf(name)
      if (claimed !== undefined && !removed && meta !== owner) hold(claimed)
      const session = removed ? sessionKeyOf(name) : undefined
      if (session !== undefined) claims.get(session)?.release()
    },
  }
}
