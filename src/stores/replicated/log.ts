/**
 * What the replicated store asks of a distributed log.
 *
 * A log keeps the newest entry of each key, numbers all entries in one sequence, and delivers them in this order to
 * everybody who watches. It is the one place where writers are told apart: a put names the revision that it replaces.
 *
 * @module
 */

/** What is stored under a key: a short text that every watcher gets, and the bytes beside it. */
export interface LogValue {
  /** Printable ASCII. */
  readonly meta: string
  readonly data: Uint8Array
}

/** The newest entry of a key. */
export interface LogEntry extends LogValue {
  readonly key: string
  /** Place in the sequence of the whole log: a positive safe integer that only grows. */
  readonly revision: number
  /** When the leader took the entry in, by its clock, in milliseconds since the Unix epoch. */
  readonly at: number
  /** Set when the entry says that the key was removed; then it has neither text nor bytes. */
  readonly removed: boolean
}

/** An entry as a watch delivers it. */
export type LogChange = LogEntry

/** What a watch tells. The methods are called synchronously and must not throw. */
export interface LogListener {
  /**
   * The next entry, in the order of revisions.
   *
   * An entry that was replaced before its turn is left out; the one that replaced it comes at its own place.
   */
  changed(change: LogChange): void
  /** Nothing will follow on this watch. It has ended, or lost entries. */
  broken(reason: unknown): void
}

/** A watch that is open. */
export interface LogWatch {
  /** Ends it; nothing is told any more. */
  stop(): void
}

/** Messages and bytes between this process and the log since the connection was made. */
export interface LogTraffic {
  readonly messagesIn: number
  readonly messagesOut: number
  readonly bytesIn: number
  readonly bytesOut: number
}

/**
 * A distributed log, as one process reaches it.
 *
 * A method rejects when the log gives no answer; then a put, a removal or an append may have taken effect or not. It
 * settles within the log's own deadline, so that nothing piles up before a log that is away.
 */
export interface ReplicatedLog {
  /** Name for messages and metrics. */
  readonly name: string
  /** Age from which on the log may drop entries by itself, in milliseconds. */
  readonly maxAge: number
  /** Asks the leader for the newest entry of a key, a removal included. */
  get(key: string): Promise<LogEntry | undefined>
  /**
   * Puts a value in the place of the entry with this revision; 0 for a key that must have none.
   *
   * @returns The new revision, or `undefined` when another entry came first; then nothing was stored.
   */
  put(key: string, value: LogValue, revision: number): Promise<number | undefined>
  /** Puts a removal in the place of the entry with this revision, as {@link ReplicatedLog.put}. */
  remove(key: string, revision: number): Promise<number | undefined>
  /** Puts a value under a key that only this process writes, whatever is there. Returns its revision. */
  append(key: string, value: LogValue): Promise<number>
  /** Takes the entry with this revision out of the log. It may be gone already. */
  forget(revision: number): Promise<void>
  /** Watches all keys: first the newest entry of each, then every change. */
  watch(listener: LogListener, options: { readonly metaOnly: boolean }): Promise<LogWatch>
  traffic(): LogTraffic
}
