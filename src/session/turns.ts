/**
 * Turns of the operations on one request's session.
 *
 * @module
 */

import type { ChangeLog } from './change-log.ts'

/** An answer that waits. */
interface Answer {
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

/**
 * Lets commits go side by side; creation, login, rotation and end change what all other operations build on, and go alone.
 *
 * It counts, and makes a promise only when somebody has to wait: most requests have one commit, and each promise costs them.
 */
export class Turns {
  readonly #changes: ChangeLog
  /** Commits that the answer waits for, those that have to wait themselves included. */
  #awaited = 0
  #isTaken = false
  #answer: Answer | undefined
  #end: Promise<void> | undefined
  #tell: (() => void) | undefined

  constructor(changes: ChangeLog) {
    this.#changes = changes
  }

  /** Whether an operation goes alone now. */
  get isTaken(): boolean {
    return this.#isTaken
  }

  /** Whether the answer has something to wait for. */
  get isBusy(): boolean {
    return this.#isTaken || this.#awaited > 0
  }

  /** Resolves when the next of those under way has ended. */
  next(): Promise<void> {
    return (this.#end ??= new Promise((resolve) => (this.#tell = resolve)))
  }

  /** A commit begins. Whoever calls it calls {@link Turns.end}. */
  begin(isAwaited: boolean): void {
    if (isAwaited) this.#awaited += 1
  }

  /** A commit has ended: well, or by an error, which is the answer's too when that waits for it. */
  end(isAwaited: boolean, failure?: { readonly error: unknown }): void {
    if (isAwaited) this.#awaited -= 1
    if (isAwaited && failure) this.#answer?.reject(failure.error)
    this.#wake()
  }

  /** Runs a task when nothing else is under way. */
  async alone<Result>(task: () => Promise<Result>): Promise<Result> {
    while (this.#isTaken || this.#changes.isSending) await this.next()
    this.#isTaken = true
    try {
      return await task()
    } finally {
      this.#isTaken = false
      this.#wake()
    }
  }

  /** Resolves when the answer has nothing to wait for any more; rejects with the error of a commit that fails meanwhile. */
  async settle(): Promise<void> {
    if (this.isBusy) await new Promise<void>((resolve, reject) => (this.#answer = { resolve, reject }))
  }

  #wake(): void {
    this.#tell?.()
    this.#end = this.#tell = undefined
    if (!this.isBusy) this.#answer?.resolve()
  }
}
