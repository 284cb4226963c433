/**
 * A person with a browser in the shop, who sees what the pages show and nothing else.
 *
 * @module
 */

import type { BrowserContext, Locator, Page, Response } from 'playwright-core'

/** What a page of the shop showed, and who answered. */
export interface Sight {
  /** Server that answered. */
  readonly server: string
  /** Why the balancer chose it. */
  readonly routedBy: string
  /** Name that the page greets the person by; `undefined`: as a stranger. */
  readonly user: string | undefined
  /** Lines such as `Fedora × 2`. */
  readonly cart: readonly string[]
  /** First characters of the session's handle; `undefined`: no session. */
  readonly handle: string | undefined
}

/** A change that the shop was asked for, and its answer. */
export interface Change {
  readonly path: string
  readonly status: number
  /** Server that answered. */
  readonly server: string
}

/** A person with a browser in the shop, in English. */
export interface Shopper {
  readonly page: Page
  /** Every change that the person asked for, the newest last. */
  readonly changes: readonly Change[]
  /** Creates a user through the form; the password is {@link PASSWORD}. */
  register(username: string): Promise<Sight>
  /** Logs in through the form, whoever is logged in. */
  logIn(username: string, options?: { readonly remember?: boolean }): Promise<Sight>
  /** Presses the button beside a product, by its English name. */
  putInCart(product: string): Promise<Sight>
  /** Comes to the home page, by its address. */
  visit(): Promise<Sight>
  /** Reloads the home page until a sight is as wanted, and tells all of them; the last is the wanted one. */
  reloadUntil(wanted: (sight: Sight) => boolean): Promise<readonly Sight[]>
  /** Goes to the account page by its link. */
  openAccount(): Promise<void>
  /** Clicks on what leads to another page, and waits until that is there. */
  press(target: Locator): Promise<void>
  /** Value of the session cookie; `undefined` without one. */
  sessionCookie(): Promise<string | undefined>
}

/** The password of everybody. */
export const PASSWORD = 'analytical engine'

const PATIENCE = 12

/** Opens a tab for a person. */
export async function createShopper(context: BrowserContext, shop: string): Promise<Shopper> {
  const page = await context.newPage()
  const changes: Change[] = []
  let answer: Response | undefined
  page.on('response', (response) => {
    const request = response.request()
    if (!request.isNavigationRequest()) return
    if (request.method() === 'POST') {
      const path = new URL(response.url()).pathname
      changes.push({ path, status: response.status(), server: response.headers()['x-served-by'] ?? '' })
    } else {
      answer = response
    }
  })

  async function press(target: Locator): Promise<void> {
    // The shorter timeout: when there is nothing to click on, that is what the error should tell.
    await Promise.all([page.waitForEvent('load'), target.click({ timeout: 10_000 })])
  }

  async function fill(path: '/login' | '/register', username: string, remember: boolean): Promise<void> {
    await page.goto(shop + path)
    await page.getByLabel('User name').fill(username)
    await page.getByLabel('Password').fill(PASSWORD)
    if (remember) await page.getByLabel('Stay logged in').check()
    const name = path === '/login' ? 'Log in' : 'Register'
    await press(page.getByRole('main').getByRole('button', { name, exact: true }))
  }

  async function look(): Promise<Sight> {
    const headers = answer?.headers() ?? {}
    const session = page.getByRole('region', { name: 'This session' })
    // The page of a failure has none: nobody is a stranger there, the shop is out of order.
    await session.waitFor()
    const [user, handle] = await session.locator('dd').allInnerTexts()
    const lines = await page.getByRole('region', { name: 'Cart' }).getByRole('listitem').all()
    return {
      server: headers['x-served-by'] ?? '',
      routedBy: headers['x-routed-by'] ?? '',
      user: user === 'Visitor, not logged in' ? undefined : user,
      cart: await Promise.all(
        lines.map(async (line) => (await line.locator('span').allInnerTexts()).join(' ')),
      ),
      handle: handle === 'No session yet.' ? undefined : handle,
    }
  }

  async function visit(): Promise<Sight> {
    await page.goto(shop)
    return await look()
  }

  return {
    page,
    changes,
    press,
    visit,
    async register(username) {
      await fill('/register', username, false)
      return await look()
    },
    async logIn(username, { remember = false } = {}) {
      await fill('/login', username, remember)
      return await look()
    },
    async putInCart(product) {
      await press(page.getByRole('button', { name: `Add to cart: ${product}` }))
      return await look()
    },
    async reloadUntil(wanted) {
      const sights: Sight[] = []
      while (sights.length < PATIENCE) {
        await page.reload()
        const sight = await look()
        sights.push(sight)
        if (wanted(sight)) return sights
      }
      throw new Error(`Saw only ${JSON.stringify(sights)}`)
    },
    async openAccount() {
      await press(page.getByRole('navigation').locator('a[href="/account"]'))
    },
    async sessionCookie() {
      return (await context.cookies(shop)).find(({ name }) => name === 'session')?.value
    },
  }
}
