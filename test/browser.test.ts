import { isDeepStrictEqual } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chromium,
  chromiumNeeded,
  photograph,
  skipsChromium,
  startChromium,
} from './support/chromium.ts'
import { createCustomer, type Customer, STRANGER, walkThroughShop } from './support/customer.ts'
import { openDashboard } from './support/dashboard.ts'
import { type Lab, startLab } from './support/lab.ts'
import type { Sight } from './support/shopper.ts'

let chromium: Chromium
let lab: Lab

async function newCustomer(): Promise<Customer> {
  return await createCustomer(await chromium.open(), lab.shop)
}

/** Lets customers in, at least four, until every server has one for its own. */
async function fillShop(): Promise<readonly Customer[]> {
  const customers: Customer[] = []
  while (customers.length < 4 || new Set(customers.map(({ home }) => home)).size < 3) {
    if (customers.length === 30) throw new Error('Not every server gets visitors')
    customers.push(await newCustomer())
  }
  return customers
}

/** Names of the customers to whom the shop has become strange. */
async function findStrangers(customers: readonly Customer[]): Promise<readonly string[]> {
  const strangers: string[] = []
  for (const customer of customers) {
    const { user, cart } = await customer.visit()
    if (!isDeepStrictEqual({ user, cart }, customer.own)) strangers.push(customer.username)
  }
  return strangers
}

function runLab(strategy: string): void {
  beforeAll(async () => {
    lab = await startLab(['--strategy', strategy])
  })

  afterAll(async () => {
    await lab?.stop()
  })
}

describe.skipIf(skipsChromium)(`the shop in a browser${chromiumNeeded}`, () => {
  beforeAll(async () => {
    chromium = await startChromium()
  })

  afterEach(async () => {
    await chromium.closeAll()
  })

  afterAll(async () => {
    await chromium?.close()
  })

  describe('on memory', () => {
    runLab('memory')

    it('loses login and cart as soon as another server answers', async () => {
      const customer = await walkThroughShop(await chromium.open(), lab.shop)
      const added = customer.changes.at(-1)

      const sights = await customer.reloadUntil(({ server }) => server !== added?.server)

      expect(customer.changes.map(({ path, status }) => `${path} ${status}`)).toEqual([
        '/cart 303',
        '/register 303',
        '/login 303',
        '/cart 303',
      ])
      expect(sights.at(-1)).toMatchObject({ ...STRANGER, routedBy: 'round-robin' })
      await photograph(customer.page, 'shop-memory-lost')
    })
  })

  describe('on sticky', () => {
    runLab('sticky')

    it('keeps login and cart, as the balancer leads the browser back to its server', async () => {
      const customer = await walkThroughShop(await chromium.open(), lab.shop)
      const sights: Sight[] = []

      await customer.reloadUntil((sight) => sights.push(sight) === 6)

      const { own, home } = customer
      for (const sight of sights) expect(sight).toMatchObject({ ...own, server: home, routedBy: 'cookie' })
    })

    it('loses exactly the visitors of a killed server, and tells them', async () => {
      const customers = await fillShop()
      const victims = customers.filter(({ home }) => home === 'B')
      const dashboard = await openDashboard(await chromium.open(), lab.control)
      await dashboard.press('Kill B', 'stopped')

      const { page } = victims[0] as Customer
      await page.getByRole('button', { name: 'Ask again' }).click()
      await page.getByText('That server does not know you').waitFor()
      await photograph(page, 'shop-sticky-lost')
      const strangers = await findStrangers(customers)
      await dashboard.press('Start B', 'ready')
      const later = await findStrangers(customers)
      const newcomers = await fillShop()

      const names = victims.map(({ username }) => username)
      expect(strangers).toEqual(names)
      expect(later).toEqual(names)
      expect(newcomers.map(({ home }) => home)).toContain('B')
    })
  })
})
