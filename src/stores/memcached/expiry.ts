/**
 * Time as memcached takes it: whole seconds, relative up to 30 days and absolute beyond.
 *
 * @module
 */

/** Longest time that memcached takes for relative, in seconds. One second more is taken for an instant in 1970. */
const LONGEST_RELATIVE = 2_592_000

/** Last instant that memcached's 32 bits hold, in seconds. */
const LAST_INSTANT = 2_147_483_647

/**
 * Seconds that memcached keeps an item longer than asked: its clock ticks once a second and may be one tick behind, and
 * a session must not end early. The instant inside the value tells the true end.
 */
const SLACK = 2

/** The expiry of an item that is to be there until an instant; both in milliseconds since the Unix epoch. */
export function toExpiry(expiresAt: number, now: number): number {
  // 0 would be for ever, and a negative number is over at once.
  if (expiresAt <= now) return -1
  const remaining = Math.ceil((expiresAt - now) / 1_000) + SLACK
  if (remaining <= LONGEST_RELATIVE) return remaining
  const instant = Math.ceil(expiresAt / 1_000) + SLACK
  return instant <= LAST_INSTANT ? instant : 0
}
