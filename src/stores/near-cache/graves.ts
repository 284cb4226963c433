/**
 * Keys of the sessions that ended here, remembered so that none of them comes back.
 *
 * @module
 */

/** Keys that are dead, whatever the back end may say. */
export interface Graves {
  readonly size: number
  has(key: string): boolean
  /**
   * Remembers a key.
   *
   * @param until First instant at which its record would be gone anyway, in milliseconds since the Unix epoch.
   */
  bury(key: string, until: number): void
  /** Forgets a key, as a session was created under it anew. */
  forget(key: string): void
  clear(): void
}

/**
 * Creates a place for `limit` keys; when it is full, the oldest are forgotten.
 *
 * @param now Current time, in milliseconds since the Unix epoch.
 */
export function createGraves(limit: number, now: () => number): Graves {
  const graves = new Map<string, number>()

  /** Those buried first leave first, at the latest when there is no more room. */
  function tidy(): void {
    for (const [key, until] of graves) {
      if (graves.size <= limit && until > now()) return
      graves.delete(key)
    }
  }

  return {
    get size() {
      return graves.size
    },
    has: (key) => graves.has(key),
    bury(key, until) {
      graves.set(key, Math.max(until, graves.get(key) ?? 0))
      tidy()
    },
    forget: (key) => void graves.delete(key),
    clear: () => graves.clear(),
  }
}
