import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { findChildren, findProcess } from '../lab/engines/process-table.ts'
import type { CopyCosts } from '../lab/fleet/protocol.ts'
import {
  type Chromium,
  chromiumNeeded,
  photograph,
  skipsChromium,
  startChromium,
} from './support/chromium.ts'
import { type Dashboard, openDashboard } from './support/dashboard.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'

const PATIENCE = { timeout: 20_000 }

/** Sentinels take seconds to agree, and more on a busy machine. */
const FAILOVER = { timeout: 30_000, interval: 250 }

const ITEM = JSON.stringify({ item: 'Fedora' })
const JSON_TYPE = { 'content-type': 'application/json' }

/** No multiple of the number of servers: nobody falls into step with a balancer that takes servers in turn. */
const VISITORS = 11

describe.skipIf(skipsChromium)(`the dashboard in a browser${chromiumNeeded}`, () => {
  let chromium: Chromium
  let lab: Lab
  let dashboard: Dashboard

  beforeAll(async () => {
    chromium = await startChromium()
    lab = await startLab()
  })

  beforeEach(async () => {
    dashboard = await openDashboard(await chromium.open(), lab.control)
  })

  afterEach(async () => {
    await lab.call('POST', '/api/traffic', { visitors: 0, rate: 0 })
    await chromium.closeAll()
  })

  afterAll(async () => {
    await chromium?.close()
    await lab?.stop()
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

    expect(shop.url()).toBe(`${lab.shop}/`)
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
    const { strategy } = await lab.state()

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
    const { pid = 0 } = (await lab.state()).servers.find(({ id }) => id === 'C') ?? {}

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
    const { page } = await openDashboard(await chromium.open(), other.control)

    await other.stop()
    await page.getByTestId('connection-lost').waitFor()

    expect(await page.getByTestId('connection').getAttribute('data-connection')).toBe('lost')
  })
})

describe.skipIf(skipsChromium)(`the choice of a strategy in the dashboard${chromiumNeeded}`, () => {
  let chromium: Chromium
  let lab: Lab
  let dashboard: Dashboard

  beforeAll(async () => {
    chromium = await startChromium()
    // Nothing is found on an empty PATH but what is outside of it, and that is not Redis nor memcached.
    vi.stubEnv('PATH', '/nonexistent')
    lab = await startLab()
    vi.unstubAllEnvs()
  })

  beforeEach(async () => {
    dashboard = await openDashboard(await chromium.open(), lab.control)
  })

  afterEach(async () => {
    await lab.call('POST', '/api/traffic', { visitors: 0, rate: 0 })
    await chromium.closeAll()
  })

  afterAll(async () => {
    await chromium?.close()
    await lab?.stop()
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
    expect((await lab.state()).strategy).toBe('memory')
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

describeWith(
  ['redis-server', 'redis-sentinel', 'memcached', 'postgresql'],
  'the dashboard on one strategy after the other',
  () => {
    describe.skipIf(skipsChromium)(`in a browser${chromiumNeeded}`, () => {
      let chromium: Chromium
      let lab: Lab
      let dashboard: Dashboard

      beforeAll(async () => {
        chromium = await startChromium()
        lab = await startLab()
        // Still: three servers, six of Redis and the dots of the drawing are too much for a small machine.
        const context = await chromium.open({ reducedMotion: 'reduce' })
        dashboard = await openDashboard(context, lab.control)
      })

      afterEach(async () => {
        await lab.call('POST', '/api/traffic', { visitors: 0, rate: 0 })
      })

      afterAll(async () => {
        await chromium?.closeAll()
        await chromium?.close()
        await lab?.stop()
      })

      async function pressOnEngine(name: string, action: string, status: string): Promise<void> {
        const { page } = dashboard
        await page.getByRole('button', { name: `${action} ${name}`, exact: true }).click()
        await page
          .locator(`[data-testid="engine-${name}"][data-status="${status}"][aria-busy="false"]`)
          .waitFor()
      }

      it('shows on redis-sentinel that nobody is lost when the primary is killed', async () => {
        const { page } = dashboard
        const names = page.getByTestId('stage-store').locator('.engine-name')
        await dashboard.choose('redis-sentinel')
        await dashboard.letIn(VISITORS, 60)
        await expect.poll(async () => (await dashboard.figures()).total, PATIENCE).toBe(VISITORS)
        const drawn = await names.allTextContents()

        await pressOnEngine('redis-1', 'Kill', 'stopped')
        const broken = await names.locator('[data-broken="true"]').allTextContents()
        await photograph(page, 'dashboard-redis-sentinel')
        // Until the sentinels have chosen, the shop refuses; what follows is answered by another Redis.
        await expect
          .poll(async () => {
            const answers = await Promise.all(
              Array.from({ length: 6 }, () =>
                fetch(`${lab.shop}/cart`, { method: 'POST', body: ITEM, headers: JSON_TYPE }),
              ),
            )
            return new Set(answers.map(({ status }) => status))
          }, FAILOVER)
          .toEqual(new Set([200]))
        const { requests } = await dashboard.figures()
        await expect
          .poll(async () => (await dashboard.figures()).requests, PATIENCE)
          .toBeGreaterThan(requests + 100)
        const figures = await dashboard.figures()
        await pressOnEngine('redis-1', 'Start', 'ready')

        expect(drawn).toEqual(['redis-1', 'redis-2', 'redis-3', 'sentinel-1', 'sentinel-2', 'sentinel-3'])
        expect(broken).toEqual(['redis-1'])
        expect(figures).toMatchObject({ kept: VISITORS, total: VISITORS, lost: 0, crossUser: 0 })
      })

      it('pauses and resumes one of several engines', async () => {
        await pressOnEngine('sentinel-2', 'Pause', 'paused')
        const statuses = (await lab.state()).engines.map(({ name, status }) => `${name} ${status}`)
        await pressOnEngine('sentinel-2', 'Resume', 'ready')

        expect(statuses.filter((line) => !line.endsWith(' ready'))).toEqual(['sentinel-2 paused'])
      })

      it('leaves no process behind when it switches from strategy to strategy', async () => {
        const pids = new Set<number>()
        const counts: number[] = []

        for (const strategy of ['memcached', 'postgres-cached', 'redis-cluster', 'sealed', 'memory']) {
          const { servers, engines } = await lab.state()
          for (const { pid } of [...servers, ...engines]) if (pid !== undefined) pids.add(pid)
          await dashboard.choose(strategy)
          counts.push((await lab.state()).engines.length)
        }

        expect(counts).toEqual([2, 1, 6, 0, 0])
        expect(pids.size).toBe(5 * 3 + 6 + 2 + 1 + 6)
        expect([...pids].filter(findProcess)).toEqual([])
        // Three servers and one watchdog.
        expect(findChildren(lab.pid)).toHaveLength(4)
      })
    })
  },
)

describeWith(['redis-server'], 'the dashboard on redis', () => {
  describe.skipIf(skipsChromium)(`in a browser${chromiumNeeded}`, () => {
    let chromium: Chromium
    let lab: Lab

    beforeAll(async () => {
      chromium = await startChromium()
      lab = await startLab(['--strategy', 'redis'])
    })

    afterAll(async () => {
      await chromium?.closeAll()
      await chromium?.close()
      await lab?.stop()
    })

    it('offers to do with an engine what its state allows, and does it', async () => {
      const { page } = await openDashboard(await chromium.open(), lab.control)
      const engine = page.getByTestId('engine-redis')
      const offered = async () => engine.locator('[data-action][aria-disabled="false"]').allInnerTexts()
      const seen: string[][] = [await offered()]

      for (const [button, status] of [
        ['Pause redis', 'paused'],
        ['Resume redis', 'ready'],
        ['Kill redis', 'stopped'],
        ['Start redis', 'ready'],
      ] as const) {
        await page.getByRole('button', { name: button, exact: true }).click()
        await page
          .locator(`[data-testid="engine-redis"][data-status="${status}"][aria-busy="false"]`)
          .waitFor()
        seen.push(await offered())
      }
      await photograph(page, 'dashboard-redis')

      expect(seen).toEqual([
        ['Kill', 'Pause'],
        ['Kill', 'Resume'],
        ['Kill', 'Pause'],
        ['Start'],
        ['Kill', 'Pause'],
      ])
      expect(await engine.innerText()).toContain(String(lab.engines[0]?.port))
    })

    it('speaks Korean of engines as well', async () => {
      const { page } = await openDashboard(await chromium.open(), lab.control)
      await page.getByTestId('language').click()

      await page.getByRole('button', { name: 'redis 일시 정지', exact: true }).click()
      await page.locator('[data-testid="engine-redis"][data-status="paused"]').waitFor()
      const status = await page.getByTestId('engine-redis-status').innerText()
      const notice = page.getByTestId('notice').filter({ hasText: 'redis 서버를 일시 정지했습니다' })
      await notice.waitFor()
      await page.getByRole('button', { name: 'redis 재개', exact: true }).click()
      await page.locator('[data-testid="engine-redis"][data-status="ready"]').waitFor()

      expect(status).toBe('일시 정지')
    })
  })
})

describeWith(['nats-server'], 'the dashboard on replicated', () => {
  describe.skipIf(skipsChromium)(`in a browser${chromiumNeeded}`, () => {
    let chromium: Chromium
    let lab: Lab

    beforeAll(async () => {
      ;[chromium, lab] = await Promise.all([startChromium(), startLab(['--strategy', 'replicated'])])
    })

    afterAll(async () => {
      await chromium?.closeAll()
      await chromium?.close()
      await lab?.stop()
    })

    it('shows what every write costs every server, until it tells nothing any more', async () => {
      // Still: three servers, three of NATS and the dots of the drawing are too much for a small machine.
      const context = await chromium.open({ reducedMotion: 'reduce' })
      const { page, ...dashboard } = await openDashboard(context, lab.control)
      const figure = (id: string, name: string) =>
        page.getByTestId(`costs-${id}`).locator(`[data-figure="${name}"]`).innerText()

      await dashboard.letIn(VISITORS, 60)
      await expect.poll(async () => (await dashboard.figures()).kept, PATIENCE).toBe(VISITORS)
      // Figures are told once a second: it takes one until they are of after the last login.
      let costs: readonly CopyCosts[] = []
      const isTold = ({ isLive, sessions, localReads }: CopyCosts) =>
        isLive && sessions >= VISITORS && localReads > 0
      await expect
        .poll(async () => (costs = await costsOf(lab)).map(isTold), PATIENCE)
        .toEqual([true, true, true])
      await expect.poll(() => figure('B', 'reads'), PATIENCE).toMatch(/^[1-9]/)
      const shown = await page.getByTestId('costs-B').locator('td').allInnerTexts()
      const together = await figure('all', 'received-per-write')
      await lab.call('POST', '/api/traffic', { rate: 0 })
      await photograph(page, 'dashboard-replicated')
      await page.getByTestId('language').click()
      const title = await page.getByRole('region', { name: '사본의 비용' }).first().innerText()
      await photograph(page, 'dashboard-replicated-korean')
      await lab.act('B', 'kill')
      await expect.poll(() => figure('B', 'received'), PATIENCE).toBe('–')

      for (const { bytes, leaseAge, changes, log } of costs) {
        expect(bytes).toBeGreaterThan(VISITORS * 100)
        expect(leaseAge).toBeLessThanOrEqual(2_000)
        expect(changes).toBeGreaterThanOrEqual(VISITORS)
        // Each write of anybody is a message to each; the proofs come on top.
        expect(log?.perChange?.messagesIn).toBeGreaterThan(0.9)
        expect(log?.perChange?.bytesIn).toBeGreaterThan(100)
        expect(log?.perSecond.bytesOut).toBeGreaterThan(0)
        expect(log?.total.bytesIn).toBeGreaterThan(bytes)
      }
      for (const [index, pattern] of SHOWN.entries()) expect(shown[index]).toMatch(pattern)
      expect(shown).toHaveLength(SHOWN.length)
      expect(Number.parseFloat(together)).toBeGreaterThan(3)
      expect(title).toContain('쓰기 1건당')
      expect((await lab.state()).servers.map(({ costs: told }) => told !== undefined)).toEqual([
        true,
        false,
        true,
      ])
    })
  })
})

const BYTES = String.raw`\d+(\.\d)?\s[KM]?B`
const TRAFFIC = new RegExp(String.raw`^\d[\d.,]* msg\n${BYTES}$`)

/** What stands in the row of a server, from left to right. */
const SHOWN = [
  new RegExp(String.raw`^\d+\n${BYTES}$`),
  TRAFFIC,
  TRAFFIC,
  TRAFFIC,
  TRAFFIC,
  /^\d+(\.\d)?\sms\n99% in \d/,
  /^\d+(\.\d)?\sm?s$/,
  /^[1-9][\d,]* from the copy\n\d+ asked the leader$/,
]

async function costsOf(lab: Lab) {
  return (await lab.state()).servers.flatMap(({ costs }) => costs ?? [])
}
