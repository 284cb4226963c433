/**
 * Sends only the newest of many values, one at a time: what a slider needs.
 *
 * @module
 */

/** Sends values. */
export interface Latest<T> {
  /** What was asked for last and is not yet acknowledged; `undefined` when nothing is under way. */
  readonly wanted: T | undefined
  /** Resolves once nothing newer waits; rejects when the newest value was refused. */
  set(value: T): Promise<void>
}

/** Creates a sender. A value that is overtaken while another is under way is never sent. */
export function createLatest<T>(send: (value: T) => Promise<void>): Latest<T> {
  let waiting: { readonly value: T } | undefined
  let running: Promise<void> | undefined
  let wanted: T | undefined

  async function drain(): Promise<void> {
    try {
      while (waiting) {
        const { value } = waiting
        waiting = undefined
        try {
          await send(value)
        } catch (error) {
          if (!waiting) throw error
        }
      }
    } finally {
      running = undefined
      wanted = undefined
    }
  }

  return {
    get wanted() {
      return wanted
    },
    set(value) {
      wanted = value
      waiting = { value }
      running ??= drain()
      return running
    },
  }
}
