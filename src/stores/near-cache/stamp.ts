/**
 * Versions as they travel with the cookie.
 *
 * A stamp is not authenticated, because a false one harms nobody. It is only ever a lower limit: one that is too high makes
 * the server ask the store, as it would without a cache; one that is too low allows what a visitor without a stamp gets,
 * a copy that is proven to be within the bound. It opens no session, as the cookie's id does that.
 *
 * @module
 */

/** Encodes a version, in 1 to 11 characters. */
export function toStamp(version: number): string {
  return version.toString(36)
}

/** Decodes a stamp; 0 when it is not one. */
export function fromStamp(stamp: string): number {
  if (!/^[0-9a-z]{1,11}$/.test(stamp)) return 0
  const version = Number.parseInt(stamp, 36)
  return Number.isSafeInteger(version) ? version : 0
}
