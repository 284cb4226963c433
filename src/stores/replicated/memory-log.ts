/**
 * A log in the memory of this process, with as many connections as a test needs: for tests with exact time.
 *
 * It orders, compares and delivers as the real one does, and drops replaced entries before their turn as well. What it
 * has not is a network: {@link MemoryLogLink} puts one in.
 *
 * @module
 */

import { NO_DATA } from './codec.ts'
import type { LogEntry, LogListener, LogValue, ReplicatedLog } from './log.ts'

/** How one process reaches the log. */
export interface MemoryLogLink {
  /**
   * Carries a question to the log and the answer back.
   *
   * @default at once
   */
  readonly call?: <Answer>(ask: () => Answer) => Promise<Answer>
  /**
   * Called when there is something to deliver to the watch. Each call of `next` delivers one entry, as the log has
   * it then, and tells whether there was one.
   *
   * @default all at once
   */
  readonly deliver?: (next: () => boolean) => void
}

/** Options of {@link createMemoryLog}. */
export interface MemoryLogOptions {
  /** Clock of the leader, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
  /** Age from which on the log says that it may drop entries; it does not. @default 35 days */
  readonly maxAge?: number
}

/** A log that any number of stores in this process share. */
export interface MemoryLog {
  /** Connects one process. */
  connect(link?: MemoryLogLink): ReplicatedLog
  /** Puts an entry in, as another program might. */
  put(key: string, value: LogValue): void
  /** Drops everything and counts from 1 again. Watches end. */
  wipe(): void
  /** Drops everything and counts on. Watches do not hear of it. */
  purge(): void
  /** The newest entry of each key, in order. */
  entries(): readonly LogEntry[]
}

/** Creates an empty log. */
export function createMemoryLog(options: MemoryLogOptions = {}): MemoryLog {
  const { now = Date.now, maxAge = 35 * 86_400_000 } = options
  /** By key, in the order of revisions: what is replaced moves to the end. */
  const entries = new Map<string, LogEntry>()
  const watches = new Set<{ readonly wake: () => void; readonly listener: LogListener }>()
  let last = 0

  function store(key: string, value: LogValue, removed: boolean): number {
    entries.delete(key)
    entries.set(key, { key, ...value, revision: ++last, at: now(), removed })
    for (const { wake } of watches) wake()
    return last
  }

  function compareAndStore(key: string, value: LogValue, removed: boolean, revision: number) {
    return (entries.get(key)?.revision ?? 0) === revision ? store(key, value, removed) : undefined
  }

  function after(revision: number): readonly LogEntry[] {
    return [...entries.values()].filter((entry) => entry.revision > revision)
  }

  function watch(listener: LogListener, metaOnly: boolean, deliver: (next: () => boolean) => void) {
    let position = 0
    const next = (): boolean => {
      const [entry] = watches.has(handle) ? after(position) : []
      if (!entry) return false
      position = entry.revision
      listener.changed({ ...entry, ...(metaOnly && { data: NO_DATA }) })
      return true
    }
    const handle = { wake: () => deliver(next), listener }
    watches.add(handle)
    // A watch begins after whoever asked for it has been told.
    queueMicrotask(() => handle.wake())
    return { stop: () => void watches.delete(handle) }
  }

  function connect(link: MemoryLogLink = {}): ReplicatedLog {
    const { call = async (ask) => ask(), deliver = deliverAll } = link
    return {
      name: 'memory log',
      maxAge,
      get: (key) => call(() => entries.get(key)),
      put: (key, value, revision) => call(() => compareAndStore(key, value, false, revision)),
      remove: (key, revision) =>
        call(() => compareAndStore(key, { meta: '', data: NO_DATA }, true, revision)),
      append: (key, value) => call(() => store(key, value, false)),
      forget: (revision) =>
        call(() => {
          for (const entry of entries.values()) if (entry.revision === revision) entries.delete(entry.key)
        }),
      watch: (listener, { metaOnly }) => call(() => watch(listener, metaOnly, deliver)),
      traffic: () => ({ messagesIn: 0, messagesOut: 0, bytesIn: 0, bytesOut: 0 }),
    }
  }

  return {
    connect,
    put: (key, value) => void store(key, value, false),
    wipe() {
      entries.clear()
      last = 0
      for (const { listener } of watches) listener.broken(new Error('The log was wiped'))
      watches.clear()
    },
    purge: () => entries.clear(),
    entries: () => [...entries.values()],
  }
}

function deliverAll(next: () => boolean): void {
  while (next());
}
