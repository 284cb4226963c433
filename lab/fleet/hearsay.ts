/**
 * What somebody said last, for as long as it can be believed.
 *
 * @module
 */

/** The latest of what was said. */
export interface Hearsay<Value> {
  hear(value: Value): void
  /** What was heard last; `undefined` when that was nothing, or too long ago. */
  latest(): Value | undefined
  forget(): void
}

/**
 * Creates a hearsay that has heard nothing.
 *
 * @param lifetime How long a value holds, in milliseconds.
 * @param monotonic Monotonic clock, in milliseconds.
 */
export function createHearsay<Value>(lifetime: number, monotonic: () => number): Hearsay<Value> {
  let heard: { readonly value: Value; readonly at: number } | undefined

  return {
    hear(value) {
      heard = { value, at: monotonic() }
    },
    latest: () => (heard && monotonic() - heard.at < lifetime ? heard.value : undefined),
    forget() {
      heard = undefined
    },
  }
}
