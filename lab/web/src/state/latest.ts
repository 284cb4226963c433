/**
 * Sends only the newest of many values, one at a time: what a slider needs.
 *
 * @module
 */

/** Sends values. */
export interface Latest<T> {
  /** Resolves once nothing newer waits; rejects when the newest value was refused. */
  set(value: T): Promise<void>
}

/** Creates a sender. A value that is overtaken while another is under way is never sent. */
export function createLatest<T>(send: (value: T) => Promise<void>): Latest<T> {
  let waiting: { readonly value: T } | undefined
  let running: Promise<void> | undefined

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
    }
  }

  return {
    set(value) {
      waiting = { value }
      running ??= drain()
      return running
    },
  }
}
