/**
 * What goes into a cart and out of it.
 *
 * @module
 */

import { RequestError } from './request-error.ts'

/** Most items in a cart. */
export const CART_LIMIT = 1_000

/** Longest cart as JSON, so that the session stays within what every store accepts. */
export const CART_LENGTH_LIMIT = 200_000

/**
 * Puts an item at the end.
 *
 * @throws {RequestError} `ERR_CART_FULL`.
 */
export function addItem(cart: readonly string[], item: string): readonly string[] {
  const next = [...cart, item]
  if (next.length > CART_LIMIT || JSON.stringify(next).length > CART_LENGTH_LIMIT) {
    throw new RequestError('ERR_CART_FULL')
  }
  return next
}

/** Takes the last one of an item out; the cart stays as it is when there is none. */
export function removeItem(cart: readonly string[], item: string): readonly string[] {
  const index = cart.lastIndexOf(item)
  return index === -1 ? cart : cart.toSpliced(index, 1)
}
