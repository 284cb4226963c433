import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { useBrowserLab } from './support/browser-lab.ts'
import { chromiumNeeded, photograph, skipsChromium } from './support/chromium.ts'
import { type Dashboard, openDashboard, PATIENCE } from './support/dashboard.ts'
import { type Lab, startLab } from './support/lab.ts'

/** Nothing is found on an empty PATH but what is outside of it, and that is not Redis nor memcached. */
async function startBare(): Promise<Lab> {
  vi.stubEnv('PATH', '/nonexistent')
  const lab = await startLab()
  vi.unstubAllEnvs()
  return lab
}

describe.skipIf(skipsChromium)(`the choice of a strategy in the dashboard${chromiumNeeded}`, () => {
  const { chromium, lab } = useBrowserLab(startBare)
  let dashboard: Dashboard

  beforeEach(async () => {
    dashboard = await openDashboard(await chromium().open(), lab().control)
  })

  afterEach(async () => {
    await lab().call('POST', '/api/traffic', { visitors: 0, rate: 0 })
  })

  it('puts every strategy under the way that it goes', async () => {
    const { page } = dashboard

    const groups: unknown[] = []
    for (const way of await page.locator('[data-testid^="way-"]').all()) {
      const options = await way
        .locator('[data-testid^="strategy-"]')
        .evaluateAll((elements) =>
          elements.map(({ dataset }) => dataset['testid']?.slice('strategy-'.length)),
        )
      groups.push([await way.locator('h3').textContent(), options])
    }

    expect(groups).toEqual([
      ['1Memory of one server', ['memory']],
      ['2Sticky sessions', ['sticky']],
      ['3Session replication', ['replicated']],
      ['4Shared database', ['sqlite', 'postgres']],
      ['5Shared store + copy in RAM', ['sqlite-cached', 'postgres-cached', 'redis-cached']],
      ['6Shared in-memory store', ['redis', 'redis-sentinel', 'redis-cluster', 'memcached']],
      ['7Stateless: with the visitor', ['token', 'sealed']],
    ])
  })

  it('explains the running strategy, and the one that is pointed at', async () => {
    const about = dashboard.page.getByTestId('about')
    const before = await about.innerText()

    await dashboard.page.getByTestId('strategy-sealed').hover()
    await about.getByText('Sealed cookie').waitFor()
    const pointed = await about.innerText()
    await dashboard.page.getByTestId('stage-server-A').hover()
    await about.getByText('Memory of one server').waitFor()

    expect(before).toContain('running')
    expect(pointed).toContain('The session itself is in the cookie, encrypted.')
    expect(pointed).not.toContain('running')
  })

  it('says once which package to install, and does not switch to what is not installed', async () => {
    const { page } = dashboard
    const missing = page.getByTestId('missing').getByRole('listitem')

    // A person can click on it all the same; the tool would wait until it is enabled.
    await page.getByTestId('strategy-redis-sentinel').click({ force: true })
    const sentences = await missing.allInnerTexts()
    const tags = await page.locator('[data-testid^="strategy-"]', { hasText: 'not installed' }).count()
    await photograph(page, 'dashboard-missing')

    expect(
      sentences.filter((sentence) => sentence.includes('install the package "redis-server"')),
    ).toHaveLength(1)
    expect(sentences.filter((sentence) => sentence.includes('install the package "memcached"'))).toHaveLength(
      1,
    )
    expect(tags).toBeGreaterThanOrEqual(5)
    expect((await lab().state()).strategy).toBe('memory')
  })

  it.each([
    ['sealed', 'Each is in its browser’s cookie'],
    ['token', 'Each login is in the token or cookie'],
  ])('lists no sessions of %s, and says where they are', async (strategy, sentence) => {
    await dashboard.choose(strategy)
    await dashboard.letIn(5, 30)
    await expect.poll(async () => (await dashboard.figures()).kept, PATIENCE).toBe(5)

    const cards = await Promise.all(
      ['A', 'B', 'C'].map((id) => dashboard.page.getByTestId(`server-${id}-no-sessions`).innerText()),
    )
    const behind = await dashboard.page.getByTestId('stage-store').locator('text').allTextContents()
    await photograph(dashboard.page, `dashboard-${strategy}`)

    for (const card of cards) expect(card).toContain(sentence)
    expect(behind).toEqual(['Revocation list', 'SQLite file'])
  })

  it.each([
    ['memory', 'sessions', []],
    ['sqlite', undefined, ['Shared database', 'SQLite file', 'sessions']],
    ['sqlite-cached', 'RAM copy', ['Shared database', 'SQLite file', 'sessions']],
  ] as const)('draws where the sessions of %s are', async (strategy, held, behind) => {
    const { page } = dashboard
    const running = page.locator(`[data-testid="strategy-${strategy}"][aria-pressed="true"]`)
    if ((await running.count()) === 0) await dashboard.choose(strategy)

    const onServer = await page.getByTestId('stage-server-B').locator('.holds text').allTextContents()
    const store = await page.getByTestId('stage-store').locator('text').allTextContents()

    const costs = await page.getByTestId('costs').locator('thead th').allInnerTexts()

    expect(onServer).toEqual(held === undefined ? [] : [held])
    expect(store).toEqual(behind)
    expect(costs).toEqual(
      held === 'RAM copy' ? ['Server', 'Sessions copied', 'Changes told', 'Lease age', 'Reads'] : [],
    )
  })
})
