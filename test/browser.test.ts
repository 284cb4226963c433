import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { isDeepStrictEqual } from 'node:util'
import type { Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import {
  type Chromium,
  chromiumNeeded,
  photograph,
  skipsChromium,
  startChromium,
} from './support/chromium.ts'
import { openDashboard } from './support/dashboard.ts'
import { type Lab, startLab } from './support/lab.ts'
import { createShopper, type Shopper, type Sight } from './support/shopper.ts'

/** A shopper with a login and a cart. */
interface Customer extends Shopper {
  /** What every page must show them. */
  readonly own: Pick<Sight, 'user' | 'cart'>
  /** Server that answered last. */
  readonly home: string
}

const STRANGER = { user: undefined, cart: [] }

let chromium: Chromium
let lab: Lab
let people = 0

/** A name that nobody has yet. */
function newName(): string {
  return `ada-${++people}`
}

async function newShopper(): Promise<Shopper> {
  return await createShopper(await chromium.open(), lab.shop)
}

/** Registers in a browser of its own and fills the cart. */
async function newCustomer(): Promise<Customer> {
  const shopper = await newShopper()
  const user = newName()
  await shopper.register(user)
  const { server } = await shopper.putInCart('Fedora')
  return { ...shopper, own: { user, cart: ['Fedora × 1'] }, home: server }
}

/** The whole way: something into the cart as a visitor, registering, logging in again, something more into the cart. */
async function walkThroughShop(): Promise<Customer> {
  const shopper = await newShopper()
  const user = newName()
  await shopper.visit()
  await shopper.putInCart('Fedora')
  await shopper.register(user)
  await shopper.logIn(user)
  const { server } = await shopper.putInCart('Long umbrella')
  return { ...shopper, own: { user, cart: ['Fedora × 1', 'Long umbrella × 1'] }, home: server }
}

/** Lets customers in, at least four, until every server has one for its own. */
async function fillShop(): Promise<readonly Customer[]> {
  const customers: Customer[] = []
  while (customers.length < 4 || new Set(customers.map(({ home }) => home)).size < 3) {
    if (customers.length === 12) throw new Error('Not every server gets visitors')
    customers.push(await newCustomer())
  }
  return customers
}

/** Names of the customers to whom the shop has become strange. */
async function findStrangers(customers: readonly Customer[]): Promise<readonly (string | undefined)[]> {
  const strangers: (string | undefined)[] = []
  for (const customer of customers) {
    const { user, cart } = await customer.visit()
    if (!isDeepStrictEqual({ user, cart }, customer.own)) strangers.push(customer.own.user)
  }
  return strangers
}

/** Visits the shop in a browser of its own, with the given session cookie. */
async function visitWith(cookie: string): Promise<Sight & { readonly cookie: string | undefined }> {
  const context = await chromium.open()
  await context.addCookies([{ name: 'session', value: cookie, url: lab.shop }])
  const shopper = await createShopper(context, lab.shop)
  const sight = await shopper.visit()
  return { ...sight, cookie: await shopper.sessionCookie() }
}

/** Gives the work a folder for what a browser keeps when it is closed. */
async function withProfile(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'browser-test-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true })
  }
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
      const customer = await walkThroughShop()
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
      const customer = await walkThroughShop()
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

      const names = victims.map(({ own }) => own.user)
      expect(strangers).toEqual(names)
      expect(later).toEqual(names)
      expect(newcomers.map(({ home }) => home)).toContain('B')
    })
  })

  describe('on sqlite', () => {
    runLab('sqlite')

    it('keeps login and cart on whichever server answers', async () => {
      const customer = await walkThroughShop()
      const sights: Sight[] = []

      await customer.reloadUntil((sight) => {
        sights.push(sight)
        return new Set(sights.map(({ server }) => server)).size === 3
      })

      for (const sight of sights) expect(sight).toMatchObject(customer.own)
      await photograph(customer.page, 'shop-home')
    })

    it('loses nobody when a server is killed, nor when it is back', async () => {
      const customers = [await newCustomer(), await newCustomer(), await newCustomer(), await newCustomer()]
      for (const customer of customers) await customer.reloadUntil(({ server }) => server === 'B')
      const dashboard = await openDashboard(await chromium.open(), lab.control)
      await dashboard.press('Kill B', 'stopped')

      const strangers = await findStrangers([...customers, ...customers])
      await dashboard.press('Start B', 'ready')

      expect(strangers).toEqual([])
      for (const customer of customers) {
        const sights = await customer.reloadUntil(({ server }) => server === 'B')
        for (const sight of sights) expect(sight).toMatchObject(customer.own)
      }
    })

    it('lists where somebody is logged in, and ends another browser at once', async () => {
      const here = await newCustomer()
      const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
      const there = await createShopper(await chromium.open({ userAgent }), lab.shop)
      const { handle } = await there.logIn(here.own.user as string)

      await here.openAccount()
      const list = here.page.getByRole('region', { name: 'Where you are logged in' }).getByRole('listitem')
      const before = await list.allInnerTexts()
      await photograph(here.page, 'shop-account')
      await here.press(list.filter({ hasText: handle as string }).getByRole('button', { name: 'End' }))
      const after = await list.allInnerTexts()
      const notice = await here.page.getByRole('main').getByRole('status').innerText()

      expect(before).toEqual([
        expect.stringMatching(/^Chrome on .*This one/),
        expect.stringMatching(/^Firefox on Windows/),
      ])
      expect(after).toEqual([expect.stringContaining('This one')])
      expect(notice).toBe('That session has ended.')
      expect(await there.visit()).toMatchObject(STRANGER)
      expect(await here.visit()).toMatchObject(here.own)
    })

    it('logs somebody out everywhere else', async () => {
      const here = await newCustomer()
      const others = [await newShopper(), await newShopper()]
      const before: Sight[] = []
      for (const other of others) before.push(await other.logIn(here.own.user as string))

      await here.openAccount()
      await here.press(here.page.getByRole('button', { name: 'Log out everywhere else' }))

      for (const sight of before) expect(sight.user).toBe(here.own.user)
      for (const other of others) expect(await other.visit()).toMatchObject(STRANGER)
      expect(await here.visit()).toMatchObject(here.own)
    })

    it('ends a session by logging out, for every copy of its cookie too', async () => {
      const customer = await newCustomer()
      const cookie = (await customer.sessionCookie()) as string
      const before = await visitWith(cookie)

      await customer.press(customer.page.getByRole('button', { name: 'Log out' }))
      const after = await customer.visit()
      const replayed = await visitWith(cookie)

      expect(before).toMatchObject(customer.own)
      expect(after).toMatchObject(STRANGER)
      expect(replayed).toMatchObject(STRANGER)
    })

    it('takes a forged cookie for no cookie, and does not adopt it', async () => {
      const customer = await newCustomer()
      const real = (await customer.sessionCookie()) as string
      const almost = (real.startsWith('A') ? 'B' : 'A') + real.slice(1)

      const sights: (Sight & { readonly cookie: string | undefined })[] = []
      for (const forged of [almost, 'A'.repeat(43), 'admin']) sights.push(await visitWith(forged))

      for (const sight of sights) expect(sight).toMatchObject(STRANGER)
      for (const { cookie } of sights) expect(cookie).toMatch(/^[\w-]{43}$/)
      expect(new Set([real, almost, 'A'.repeat(43), ...sights.map(({ cookie }) => cookie)]).size).toBe(6)
      expect(await customer.visit()).toMatchObject(customer.own)
    })

    it('keeps its cookie from scripts, and from longer than the browser is open', async () => {
      const customer = await newCustomer()

      const cookies = await customer.page.context().cookies(lab.shop)
      const readable = await customer.page.evaluate<string>('document.cookie')

      const session = cookies.find(({ name }) => name === 'session')
      expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax', expires: -1, path: '/' })
      expect(readable).toBe('')
    })

    it.each([
      ['forgets a login', false],
      ['keeps a login that was to stay', true],
    ])('%s when the browser is closed', async (_, remember) => {
      const { own } = await newCustomer()

      await withProfile(async (folder) => {
        const first = await chromium.openProfile(folder)
        const before = await (await createShopper(first, lab.shop)).logIn(own.user as string, { remember })
        await first.close()
        const second = await chromium.openProfile(folder)
        const after = await (await createShopper(second, lab.shop)).visit()
        await second.close()

        expect(before.user).toBe(own.user)
        expect(after.user).toBe(remember ? own.user : undefined)
      })
    })

    it('keeps language and colours through servers, logout and the end of the browser', async () => {
      const seen: string[] = []
      async function look(page: Page): Promise<void> {
        const { lang, theme } = await page
          .locator('html')
          .evaluate((html: { lang: string; dataset: Record<string, string> }) => ({
            lang: html.lang,
            theme: html.dataset['theme'],
          }))
        seen.push(`${lang} ${theme} ${await page.getByRole('heading', { level: 1 }).innerText()}`)
      }

      await withProfile(async (folder) => {
        const first = await chromium.openProfile(folder)
        const shopper = await createShopper(first, lab.shop)
        const { page } = shopper
        await shopper.register(newName())
        await shopper.press(page.getByRole('button', { name: 'Dark' }))
        await shopper.press(page.getByRole('button', { name: '한국어' }))
        for (let reload = 0; reload < 3; reload++) {
          await page.reload()
          await look(page)
        }
        await photograph(page, 'shop-korean-dark')
        await shopper.press(page.getByRole('button', { name: '로그아웃' }))
        await look(page)
        await first.close()
        const second = await chromium.openProfile(folder)
        const again = await second.newPage()
        await again.goto(lab.shop)
        await look(again)
        await second.close()
      })

      expect(seen).toEqual(Array(5).fill('ko dark 어떤 날씨에도 어울리는 코트, 모자, 우산'))
    })
  })
})
