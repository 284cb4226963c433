import { beforeAll, describe, expect, it } from 'vitest'
import type { ServerName } from '../lab/engines/installed.ts'
import { useBrowserLab } from './support/browser-lab.ts'
import { chromiumNeeded, photograph, skipsChromium } from './support/chromium.ts'
import { createCustomer, type Customer, STRANGER, walkThroughShop } from './support/customer.ts'
import { describeWith } from './support/engines.ts'
import { startLab } from './support/lab.ts'
import { createShopper, type Shopper, type Sight } from './support/shopper.ts'

/** Every strategy on which any server knows any visitor. */
const strategies: readonly {
  readonly name: string
  readonly needs: readonly ServerName[]
  /** Whether it can find the sessions of a user. */
  readonly lists: boolean
}[] = [
  { name: 'sqlite', needs: [], lists: true },
  { name: 'sqlite-cached', needs: [], lists: true },
  { name: 'replicated', needs: ['nats-server'], lists: true },
  { name: 'postgres', needs: ['postgresql'], lists: true },
  { name: 'postgres-cached', needs: ['postgresql'], lists: true },
  { name: 'redis', needs: ['redis-server'], lists: true },
  { name: 'redis-cached', needs: ['redis-server'], lists: true },
  { name: 'redis-sentinel', needs: ['redis-server', 'redis-sentinel'], lists: true },
  { name: 'redis-cluster', needs: ['redis-server'], lists: true },
  { name: 'memcached', needs: ['memcached'], lists: false },
  { name: 'token', needs: [], lists: false },
  { name: 'sealed', needs: [], lists: false },
]

/** A random server for each visit: so many leave out one of three less often than once in a million runs. */
const MOST_VISITS = 40

/** Copies and lists of what was revoked are late by two seconds at most; the rest is for a busy machine. */
const PATIENCE = { timeout: 10_000 }

describe.skipIf(skipsChromium)(`the shop in a browser, on any server${chromiumNeeded}`, () => {
  const { chromium, lab } = useBrowserLab(() => startLab(['--strategy', 'sqlite', '--routing', 'random']))

  async function newCustomer(): Promise<Customer> {
    return await createCustomer(await chromium().open(), lab().shop)
  }

  async function newShopper(): Promise<Shopper> {
    return await createShopper(await chromium().open(), lab().shop)
  }

  it('is tried out on every strategy but those where a server knows only its own', async () => {
    const known = (await lab().state()).strategies.map(({ name }) => name)

    expect([...strategies.map(({ name }) => name), 'memory', 'sticky'].toSorted()).toEqual(known.toSorted())
  })

  for (const { name, needs, lists } of strategies) {
    describeWith(needs, `on ${name}`, () => {
      beforeAll(async () => {
        await lab().call('POST', '/api/strategy', { name, routing: 'random' })
      })

      it('keeps cart and login on whichever server answers, from the first visit to the next login', async () => {
        const customer = await walkThroughShop(await chromium().open(), lab().shop)
        const { page, own, username } = customer

        const sights = await visitAll(customer, 3)
        await customer.press(page.getByRole('button', { name: 'Log out' }))
        const strange = await visitAll(customer, 3)
        const again = await customer.logIn(username)
        const later = await visitAll(customer, 3)

        for (const sight of sights) expect(sight).toMatchObject(own)
        for (const sight of strange) expect(sight).toMatchObject(STRANGER)
        for (const sight of [again, ...later]) expect(sight).toMatchObject({ user: username, cart: [] })
      })

      it(`${lists ? 'lists where somebody is logged in' : 'says that it cannot list logins'}, and ends the others`, async () => {
        const here = await newCustomer()
        const there = await newShopper()
        const before = await there.logIn(here.username)
        await here.openAccount()
        const region = here.page.getByRole('region', { name: 'Where you are logged in' })
        const listed = await region.getByRole('listitem').count()
        const text = await region.innerText()
        await photograph(here.page, `shop-account-${name}`)

        await here.press(here.page.getByRole('button', { name: 'Log out everywhere else' }))

        await expect.poll(() => there.visit(), PATIENCE).toMatchObject(STRANGER)
        expect(before.user).toBe(here.username)
        expect(listed).toBe(lists ? 2 : 1)
        expect(text.includes('cannot be listed')).toBe(!lists)
        for (const sight of await visitAll(here, 3)) expect(sight).toMatchObject(here.own)
        for (const sight of await visitAll(there, 3)) expect(sight).toMatchObject(STRANGER)
      })

      it('loses nobody when a server is killed, nor when it is back', async () => {
        const customer = await newCustomer()

        await lab().act(customer.home, 'kill')
        const without = await visitAll(customer, 2)
        await lab().act(customer.home, 'start')
        const again = await visitAll(customer, 3)

        for (const sight of [...without, ...again]) expect(sight).toMatchObject(customer.own)
        expect(without.map(({ server }) => server)).not.toContain(customer.home)
      })
    })
  }
})

/** Comes back until so many servers have answered, and tells what was seen. */
async function visitAll(shopper: Shopper, servers: number): Promise<readonly Sight[]> {
  const sights: Sight[] = []
  while (new Set(sights.map(({ server }) => server)).size < servers) {
    if (sights.length === MOST_VISITS) throw new Error(`Saw only ${JSON.stringify(sights)}`)
    sights.push(await shopper.visit())
  }
  return sights
}
