/**
 * Tells everybody who follows the lab what happens, and no more often than eyes can follow.
 *
 * @module
 */

import type { LabEvent, LabState, LabText } from './protocol.ts'

/** Passes events on to listeners. */
export interface Broadcast {
  /** Calls the listener with every event; returns the function that ends it. */
  readonly subscribe: (listener: (event: LabEvent) => void) => () => void
  readonly emit: (event: LabEvent) => void
  /** Says in two languages what a person should read. */
  notice(level: 'info' | 'warning', text: LabText): void
  /** The state has changed: listeners get it within the given time, in milliseconds. */
  readonly changed: (within?: number) => void
  close(): void
}

const INTERVAL = 1_000

/**
 * Creates a broadcast of the state: each second, and soon after a change.
 *
 * Nobody describes the state while nobody listens.
 */
export function createBroadcast(describe: () => LabState): Broadcast {
  const listeners = new Set<(event: LabEvent) => void>()
  let dueAt = Number.POSITIVE_INFINITY
  let timer: NodeJS.Timeout | undefined
  const interval = setInterval(emitState, INTERVAL)

  function emit(event: LabEvent): void {
    for (const listener of listeners) listener(event)
  }

  function emitState(): void {
    clearTimeout(timer)
    dueAt = Number.POSITIVE_INFINITY
    if (listeners.size) emit({ type: 'state', state: describe() })
  }

  return {
    subscribe(listener) {
      // A function of its own, so that one listener registered twice is called and removed twice.
      const entry = (event: LabEvent) => listener(event)
      listeners.add(entry)
      return () => listeners.delete(entry)
    },
    emit,
    notice: (level, text) => emit({ type: 'notice', level, text, at: Date.now() }),
    changed(within = 50) {
      const at = Date.now() + within
      if (at >= dueAt) return
      clearTimeout(timer)
      dueAt = at
      timer = setTimeout(emitState, within)
    },
    close() {
      clearInterval(interval)
      clearTimeout(timer)
      listeners.clear()
    },
  }
}
