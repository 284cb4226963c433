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
    this.#noted = append(this.#noted, change)
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

  /** Takes everything noted and then `last` for a commit, which ends by {@link stored} or {@link giveBack}. */
  take(last?: Change): readonly Change[] {
    const changes = last ? append(this.#noted, last) : this.#noted
    this.#sent = append(this.#sent, changes)
    this.drop()
    return changes
  }

  /** What was taken is stored, or will never be. */
  stored(changes: readonly Change[]): void {
    this.#sent = this.#sent.length === 1 ? NONE : this.#sent.filter((others) => others !== changes)
    this.#preview = undefined
  }

  /** What was taken could not be stored: what had been noted is pending again. */
  giveBack(changes: readonly Change[], last?: Change): void {
    this.#noted = [...(last ? changes.slice(0, -1) : changes), ...this.#noted]
    this.stored(changes)
  }

  /** Hands everything noted and then `last` over. If that fails, what was noted is pending again. */
  async handOver<Result>(
    store: (changes: readonly Change[]) => Promise<Result>,
    last?: Change,
  ): Promise<Result> {
    const changes = this.take(last)
    try {
      const result = await store(changes)
      this.stored(changes)
      return result
    } catch (error) {
      this.giveBack(changes, last)
      throw error
    }
  }
}

/** A copy with one more; most have nothing before it. */
function append<Item>(items: readonly Item[], item: Item): readonly Item[] {
  return items.length === 0 ? [item] : [...items, item]
}
