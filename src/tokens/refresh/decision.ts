/**
 * What becomes of a refresh token that is presented: RFC 9700 §4.14.2, with room for answers that got lost.
 *
 * @module
 */

import { expiryOf, type Family } from './family.ts'

/** What to do about a token whose MAC is good. */
export type RefreshDecision =
  /** Make the next token. */
  | 'step'
  /** Answer with the token that was made already, and write nothing. */
  | 'repeat'
  /** A token that was used up came back: two parties have the family, so it ends. */
  | 'reuse'
  /** Nobody was ever given this token: the store lost writes, or somebody else has the key. */
  | 'ahead'
  | 'expired'
  | 'inactive'

/**
 * Decides.
 *
 * @param generation Number of the token presented.
 * @param now Time by the store's clock.
 * @param grace How long the token before the good one is answered with the good one, in milliseconds.
 */
export function decide(family: Family, generation: number, now: number, grace: number): RefreshDecision {
  if (generation > family.generation) return 'ahead'
  if (family.state !== 'active') return 'inactive'
  if (now >= expiryOf(family)) return 'expired'
  if (generation === family.generation) return 'step'
  // The grace counts from the step. A repetition does not extend it, or a thief could keep it open for ever.
  const isGraceful = generation === family.generation - 1 && now - family.rotatedAt < grace
  return isGraceful ? 'repeat' : 'reuse'
}
