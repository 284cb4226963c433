import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { describe, expect, it } from 'vitest'
import { useBrowserLab } from './support/browser-lab.ts'
import { chromiumNeeded, photograph, skipsChromium } from './support/chromium.ts'
import { createCustomer, type Customer, newName, STRANGER } from './support/customer.ts'
import { startLab } from './support/lab.ts'
import { createShopper, type Shopper, type Sight } from './support/shopper.ts'

describe.skipIf(skipsChromium)(`logins in a browser${chromiumNeeded}`, () => {
  const { chromium, lab } = useBrowserLab(() => startLab(['--strategy', 'sqlite']))

  async function newShopper(): Promise<Shopper> {
    return await createShopper(await chromium().open(), lab().shop)
  }

  async function newCustomer(): Promise<Customer> {
    return await createCustomer(await chromium().open(), lab().shop)
  }

  /** Visits the shop in a browser of its own, with the given session cookie. */
  async function visitWith(cookie: string): Promise<Sight & { readonly cookie: string | undefined }> {
    const context = await chromium().open()
    await context.addCookies([{ name: 'session', value: cookie, url: lab().shop }])
    const shopper = await createShopper(context, lab().shop)
    const sight = await shopper.visit()
    return { ...sight, cookie: await shopper.sessionCookie() }
  }

  it('lists where somebody is logged in, and ends another browser at once', async () => {
    const here = await newCustomer()
    const userAgent = 'Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0'
    const there = await createShopper(await chromium().open({ userAgent }), lab().shop)
    const { handle } = await there.logIn(here.username)

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
    for (const other of others) before.push(await other.logIn(here.username))

    await here.openAccount()
    await here.press(here.page.getByRole('button', { name: 'Log out everywhere else' }))

    for (const sight of before) expect(sight.user).toBe(here.username)
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

    const cookies = await customer.page.context().cookies(lab().shop)
    const readable = await customer.page.evaluate<string>('document.cookie')

    const session = cookies.find(({ name }) => name === 'session')
    expect(session).toMatchObject({ httpOnly: true, sameSite: 'Lax', expires: -1, path: '/' })
    expect(readable).toBe('')
  })

  it.each([
    ['forgets a login', false],
    ['keeps a login that was to stay', true],
  ])('%s when the browser is closed', async (_, remember) => {
    const { username } = await newCustomer()

    await withProfile(async (folder) => {
      const first = await chromium().openProfile(folder)
      const before = await (await createShopper(first, lab().shop)).logIn(username, { remember })
      await first.close()
      const second = await chromium().openProfile(folder)
      const after = await (await createShopper(second, lab().shop)).visit()
      await second.close()

      expect(before.user).toBe(username)
      expect(after.user).toBe(remember ? username : undefined)
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
      const first = await chromium().openProfile(folder)
      const shopper = await createShopper(first, lab().shop)
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
      const second = await chromium().openProfile(folder)
      const again = await second.newPage()
      await again.goto(lab().shop)
      await look(again)
      await second.close()
    })

    expect(seen).toEqual(Array(5).fill('ko dark 어떤 날씨에도 어울리는 코트, 모자, 우산'))
  })
})

/** Gives the work a folder for what a browser keeps when it is closed. */
async function withProfile(work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'browser-test-'))
  try {
    await work(folder)
  } finally {
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
  }
}
