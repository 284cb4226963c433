import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findChildren, findProcess } from '../lab/engines/process-table.ts'
import { useBrowserLab } from './support/browser-lab.ts'
import {
  type Chromium,
  chromiumNeeded,
  photograph,
  skipsChromium,
  startChromium,
} from './support/chromium.ts'
import { type Dashboard, openDashboard, PATIENCE, VISITORS } from './support/dashboard.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'

/** Sentinels take seconds to agree, and more on a busy machine. */
const FAILOVER = { timeout: 30_000, interval: 250 }

const ITEM = JSON.stringify({ item: 'Fedora' })
const JSON_TYPE = { 'content-type': 'application/json' }

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
    const { chromium, lab } = useBrowserLab(() => startLab(['--strategy', 'redis']))

    it('offers to do with an engine what its state allows, and does it', async () => {
      const { page } = await openDashboard(await chromium().open(), lab().control)
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
      expect(await engine.innerText()).toContain(String(lab().engines[0]?.port))
    })

    it('speaks Korean of engines as well', async () => {
      const { page } = await openDashboard(await chromium().open(), lab().control)
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
