import { describe, expect, it } from 'vitest'
import type { CopyCosts } from '../lab/fleet/protocol.ts'
import { useBrowserLab } from './support/browser-lab.ts'
import { chromiumNeeded, photograph, skipsChromium } from './support/chromium.ts'
import { openDashboard, PATIENCE, VISITORS } from './support/dashboard.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'

describeWith(['nats-server'], 'the dashboard on replicated', () => {
  describe.skipIf(skipsChromium)(`in a browser${chromiumNeeded}`, () => {
    const { chromium, lab } = useBrowserLab(() => startLab(['--strategy', 'replicated']))

    it('shows what every write costs every server, until it tells nothing any more', async () => {
      // Still: three servers, three of NATS and the dots of the drawing are too much for a small machine.
      const context = await chromium().open({ reducedMotion: 'reduce' })
      const { page, ...dashboard } = await openDashboard(context, lab().control)
      const figure = (id: string, name: string) =>
        page.getByTestId(`costs-${id}`).locator(`[data-figure="${name}"]`).innerText()

      await dashboard.letIn(VISITORS, 60)
      await expect.poll(async () => (await dashboard.figures()).kept, PATIENCE).toBe(VISITORS)
      // Figures are told once a second: it takes one until they are of after the last login.
      let costs: readonly CopyCosts[] = []
      const isTold = ({ isLive, sessions, localReads }: CopyCosts) =>
        isLive && sessions >= VISITORS && localReads > 0
      await expect
        .poll(async () => (costs = await costsOf(lab())).map(isTold), PATIENCE)
        .toEqual([true, true, true])
      await expect.poll(() => figure('B', 'reads'), PATIENCE).toMatch(/^[1-9]/)
      const shown = await page.getByTestId('costs-B').locator('td').allInnerTexts()
      const together = await figure('all', 'received-per-write')
      await lab().call('POST', '/api/traffic', { rate: 0 })
      await photograph(page, 'dashboard-replicated')
      await page.getByTestId('language').click()
      const title = await page.getByRole('region', { name: '사본의 비용' }).first().innerText()
      await photograph(page, 'dashboard-replicated-korean')
      await lab().act('B', 'kill')
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
      expect((await lab().state()).servers.map(({ costs: told }) => told !== undefined)).toEqual([
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
