import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useBrowserLab } from './support/browser-lab.ts'
import { chromiumNeeded, photograph, skipsChromium } from './support/chromium.ts'
import { type Dashboard, openDashboard, PATIENCE, VISITORS } from './support/dashboard.ts'
import { startLab } from './support/lab.ts'

describe.skipIf(skipsChromium)(`the dashboard in a browser${chromiumNeeded}`, () => {
  const { chromium, lab } = useBrowserLab()
  let dashboard: Dashboard

  beforeEach(async () => {
    dashboard = await openDashboard(await chromium().open(), lab().control)
  })

  afterEach(async () => {
    await lab().call('POST', '/api/traffic', { visitors: 0, rate: 0 })
  })

  /** Switches to a strategy and waits until the visitors have logged in. Tells how many were lost until then. */
  async function letVisitorsIn(strategy: string): Promise<number> {
    await dashboard.choose(strategy)
    await dashboard.letIn(VISITORS, 60)
    await expect.poll(async () => (await dashboard.figures()).total, PATIENCE).toBe(VISITORS)
    return (await dashboard.figures()).lost
  }

  async function waitForRequests(count: number): Promise<void> {
    const { requests } = await dashboard.figures()
    await expect
      .poll(async () => (await dashboard.figures()).requests, PATIENCE)
      .toBeGreaterThanOrEqual(requests + count)
  }

  it('opens the shop, and shows which server answered, why, and whose session it was', async () => {
    const { page } = dashboard
    const opened = page.context().waitForEvent('page')

    await page.getByTestId('open-shop').click()
    const shop = await opened
    const handle = await shop.getByRole('region', { name: 'This session' }).locator('code').innerText()
    const row = page.getByTestId('feed-row').filter({ hasText: `sets the session cookie ${handle}` })
    const cells = await row.getByRole('cell').allInnerTexts()
    const server = (await row.getAttribute('data-server')) as string
    const chip = dashboard.server(server).getByRole('button', { name: `Session ${handle}, a visitor` })
    await chip.click()
    await row.and(page.locator('[data-followed="true"]')).waitFor()

    expect(shop.url()).toBe(`${lab().shop}/`)
    expect(cells.slice(1, 5)).toEqual(['GET /', '200', server, 'round-robin'])
    expect(await chip.getAttribute('aria-pressed')).toBe('true')
  })

  it('shows logins being lost all the time on memory, and nobody being taken for another', async () => {
    const before = await letVisitorsIn('memory')

    await expect
      .poll(async () => (await dashboard.figures()).lost, PATIENCE)
      .toBeGreaterThan(before + VISITORS)
    const { kept, total, crossUser } = await dashboard.figures()
    await photograph(dashboard.page, 'dashboard-memory')

    expect(kept).toBeLessThan(total)
    expect(crossUser).toBe(0)
  })

  it('shows on sticky that a killed server takes exactly its own logins along', async () => {
    const before = await letVisitorsIn('sticky')
    const countLogins = async () => Promise.all(['A', 'B', 'C'].map((id) => dashboard.logins(id)))
    await expect
      .poll(async () => (await countLogins()).reduce((sum, count) => sum + count), PATIENCE)
      .toBe(VISITORS)
    const [, victims = 0] = await countLogins()

    await dashboard.press('Kill B', 'stopped')
    await dashboard.page.getByTestId('lost-by-B').waitFor()
    const { kept, total } = await dashboard.figures()
    await photograph(dashboard.page, 'dashboard-sticky')
    await expect.poll(async () => (await dashboard.figures()).lost, PATIENCE).toBe(before + victims)
    await expect.poll(async () => (await dashboard.figures()).kept, PATIENCE).toBe(VISITORS)
    const figures = await dashboard.figures()
    const sessions = await dashboard.page.getByTestId('server-B-sessions').innerText()
    await dashboard.press('Start B', 'ready')

    expect(victims).toBeGreaterThan(0)
    expect(kept).toBeLessThan(total)
    expect(figures).toMatchObject({ lost: before + victims, crossUser: 0 })
    expect(sessions).toBe('0')
  })

  it('shows on sqlite that a killed server takes nobody along', async () => {
    const before = await letVisitorsIn('sqlite')

    await dashboard.press('Kill B', 'stopped')
    await waitForRequests(100)
    await photograph(dashboard.page, 'dashboard-sqlite')
    const without = await dashboard.figures()
    await dashboard.press('Start B', 'ready')
    await expect.poll(() => dashboard.logins('B'), PATIENCE).toBe(VISITORS)
    await waitForRequests(100)
    const again = await dashboard.figures()

    for (const { kept, total, lost, crossUser } of [without, again]) {
      expect(lost).toBe(before)
      expect(kept).toBe(total)
      expect(crossUser).toBe(0)
    }
  })

  it('switches the strategy, and says so', async () => {
    const { page } = dashboard
    const chosen = page.locator('[data-testid^="strategy-"][aria-pressed="true"] [id$="-title"]')
    const before = await chosen.innerText()

    await page.getByTestId('strategy-memory').click()
    await page.getByTestId('switching').waitFor()
    const busy = await page.locator('[data-testid^="strategy-"][aria-disabled="false"]').count()
    await dashboard.choose('memory')
    const routing = await page.getByTestId('routing').inputValue()
    const notice = await page.getByTestId('notice').first().innerText()
    const { strategy } = await lab().state()

    expect(before).not.toBe('Memory of one server')
    expect(await chosen.innerText()).toBe('Memory of one server')
    expect(busy).toBe(0)
    expect(routing).toBe('round-robin')
    expect(notice).toContain('The lab runs on "Memory of one server" now')
    expect(strategy).toBe('memory')
  })

  it('offers to do with a server what its state allows, and does it', async () => {
    const offered = async () =>
      dashboard.server('B').locator('[data-action][aria-disabled="false"]').allInnerTexts()
    const seen: string[][] = [await offered()]

    for (const [button, status] of [
      ['Pause B', 'paused'],
      ['Resume B', 'ready'],
      ['Drain B', 'draining'],
      ['Resume B', 'ready'],
      ['Kill B', 'stopped'],
      ['Start B', 'ready'],
    ] as const) {
      await dashboard.press(button, status)
      seen.push(await offered())
    }

    const ready = ['Kill', 'Pause', 'Drain']
    expect(seen).toEqual([
      ready,
      ['Kill', 'Resume'],
      ready,
      ['Kill', 'Pause', 'Resume'],
      ready,
      ['Start'],
      ready,
    ])
  })

  it('tells of a server that dies unasked', async () => {
    const { pid = 0 } = (await lab().state()).servers.find(({ id }) => id === 'C') ?? {}

    process.kill(pid, 'SIGKILL')
    await dashboard.page.locator('[data-testid="server-C"][data-status="stopped"]').waitFor()
    const notice = dashboard.page
      .getByTestId('notice')
      .filter({ hasText: 'Server C ended by itself (SIGKILL)' })
    await notice.waitFor()
    await dashboard.press('Start C', 'ready')

    expect(await notice.getAttribute('data-level')).toBe('warning')
  })

  it('runs an experiment and sets its promise against what was measured', async () => {
    const { page } = dashboard
    await dashboard.choose('sticky')

    await page.getByRole('button', { name: 'Run F1', exact: true }).click()
    const result = page.getByTestId('result-F1')
    await result.waitFor({ timeout: 60_000 })
    const lines = (await result.innerText()).split(/\n+/)
    await photograph(page, 'dashboard-experiment')

    expect(await result.getAttribute('data-met')).toBe('true')
    expect(lines).toContain('Exactly the killed server’s logins are lost; all others stay.')
    expect(lines[lines.indexOf('lost_elsewhere') + 1]).toBe('0')
  })

  it('speaks Korean, and remembers it', async () => {
    const { page } = dashboard
    await page.getByTestId('language').click()
    await page.reload()

    await page.getByRole('button', { name: 'B 죽이기', exact: true }).click()
    await page.locator('[data-testid="server-B"][data-status="stopped"]').waitFor()
    const status = await page.getByTestId('server-B-status').innerText()
    await page.getByRole('button', { name: 'B 시작', exact: true }).click()
    await page.locator('[data-testid="server-B"][data-status="ready"]').waitFor()
    await dashboard.letIn(6, 60)
    await expect.poll(() => page.getByTestId('kept-figure').innerText(), PATIENCE).toBe('6명 중 6명')
    await photograph(page, 'dashboard-korean')

    expect(status).toBe('중지됨')
    expect(await page.locator('html').getAttribute('lang')).toBe('ko')
    expect(await page.getByRole('heading', { level: 2 }).allInnerTexts()).toContain('로그인을 유지하는 방식')
  })

  it('says when the lab is gone', async () => {
    const other = await startLab(['--servers', '1'])
    const { page } = await openDashboard(await chromium().open(), other.control)

    await other.stop()
    await page.getByTestId('connection-lost').waitFor()

    expect(await page.getByTestId('connection').getAttribute('data-connection')).toBe('lost')
  })
})
