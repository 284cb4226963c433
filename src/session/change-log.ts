/**
 * The changes of one request: those noted, and those whose commit is under way.
 *
 * @module
 */

import { type Attributes, type Change, previewChanges } from './attributes.ts'

const NO_CHANGES: readonly Change[] = Object.freeze([])
const NONE: readonly (readonly Change[])[] = Object.freeze([])

/** Keeps a request's changes until they are stored. */
export class ChangeLog {
  /** Changes that no commit has taken yet. */
  #noted = NO_CHANGES
  /** Changes whose commits are under way. */
  #sent: readonly (readonly Change[])[] = NONE
  #preview: { readonly stored: Attributes; readonly attributes: Attributes } | undefined

  /** Whether changes wait to be committed. */
  get isPending(): boolean {
    return this.#noted.length > 0
  }

  /** Whether a commit is under way. */
  get isSending(): boolean {
    return this.#sent.length > 0
  }

  note(change: Change): void {
    this.#noted = [...this.#noted, change]
    this.#preview = undefined
  }

  /** Forgets what was noted. */
  drop(): void {
    this.#noted = NO_CHANGES
    this.#preview = undefined
  }

  /** Stored attributes with these changes on top. */
  previewOver(stored: Attributes): Attributes {
    if (!this.isPending && !this.isSending) return stored
    if (this.#preview?.stored !== stored) {
      const changes = this.#sent.flat().concat(this.#noted)
      this.#preview = { stored, attributes: previewChanges(stored, changes) }
    }
    return this.#preview.attributes
  }

  /** Hands everything noted and then `last` over. If that fails, what was noted is pending again. */
  handOver<Result>(store: (changes: readonly Change[]) => Promise<Result>, last?: Change): Promise<Result> {
    const noted = this.#noted
    const changes = last ? [...noted, last] : noted
    this.#sent = [...this.#sent, changes]
    this.drop()
    return store(changes).then(
      (result) => {
        this.#forget(changes)
        return result
      },
      (error: unknown) => {
        this.#noted = [...noted, ...this.#noted]
        this.#forget(changes)
        throw error
      },
    )
  }

  #forget(changes: readonly Change[]): void {
    this.#sent = this.#sent.length === 1 ? NONE : this.#sent.filter((others) => others !== changes)
    this.#preview = undefined
  }
}
