/**
 * Customers: people in the shop who have a login and a cart to lose.
 *
 * @module
 */

import type { BrowserContext } from 'playwright-core'
import { createShopper, type Shopper, type Sight } from './shopper.ts'

/** A shopper with a login and a cart. */
export interface Customer extends Shopper {
  readonly username: string
  /** What every page must show them. */
  readonly own: Pick<Sight, 'user' | 'cart'>
  /** Server that answered last. */
  readonly home: string
}

/** What a page shows to those it does not know. */
export const STRANGER: Pick<Sight, 'user' | 'cart'> = { user: undefined, cart: [] }

let people = 0

/** A name that nobody in this file of tests has yet. */
export function newName(): string {
  return `ada-${++people}`
}

/** Registers, and puts something into the cart. */
export async function createCustomer(context: BrowserContext, shop: string): Promise<Customer> {
  const shopper = await createShopper(context, shop)
  const username = newName()
  await shopper.register(username)
  const { server } = await shopper.putInCart('Fedora')
  return { ...shopper, username, own: { user: username, cart: ['Fedora × 1'] }, home: server }
}

/** Goes the whole way: puts something into the cart as a visitor, registers, logs in again, puts in something more. */
export async function walkThroughShop(context: BrowserContext, shop: string): Promise<Customer> {
  const shopper = await createShopper(context, shop)
  const username = newName()
  await shopper.visit()
  await shopper.putInCart('Fedora')
  await shopper.register(username)
  await shopper.logIn(username)
  const { server } = await shopper.putInCart('Long umbrella')
  return {
    ...shopper,
    username,
    own: { user: username, cart: ['Fedora × 1', 'Long umbrella × 1'] },
    home: server,
  }
}
