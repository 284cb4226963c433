/**
 * The networks between servers and store, as the lab breaks and heals them. What that does to visitors is in
 * `faults.test.ts`.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { networkCut } from '../lab/fleet/experiments/network-cut.ts'
import type { Fleet } from '../lab/fleet/protocol.ts'
import { type Chromium, chromiumNeeded, skipsChromium, startChromium } from './support/chromium.ts'
import { openDashboard } from './support/dashboard.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'
import { connectFleet } from './support/remote-fleet.ts'

/** Gives the tests of one `describe` a lab of their own. */
function useLab(strategy: string): { readonly lab: Lab; readonly fleet: Fleet } {
  const parts: { lab?: Lab; fleet?: Fleet } = {}
  beforeAll(async () => {
    parts.lab = await startLab(['--strategy', strategy])
    parts.fleet = await connectFleet(parts.lab)
  })
  afterAll(async () => {
    await parts.fleet?.close()
    await parts.lab?.stop()
  })
  return parts as { lab: Lab; fleet: Fleet }
}

function linksOf({ fleet }: { readonly fleet: Fleet }) {
  return fleet.state().servers.map(({ link }) => link)
}

describe('a lab whose servers reach their sessions over no network', () => {
  const parts = useLab('sqlite')

  it('says that there is nothing to cut, and offers no experiment for it', async () => {
    const cut: unknown = await parts.lab.act('B', 'cut').catch((error: unknown) => error)
    const experiment: unknown = await networkCut.run(parts.fleet).catch((error: unknown) => error)

    expect(String(cut)).toMatch(/409.*There is no network to cut/)
    expect(experiment).toMatchObject({ code: 'ERR_CONFLICT' })
    expect(linksOf(parts)).toEqual([undefined, undefined, undefined])
  })
})

describeWith(['redis-server'], 'the links of a lab', () => {
  const parts = useLab('redis')

  it('stay cut while their server is killed and started, and end with a switch', async () => {
    await parts.lab.act('B', 'cut')
    await parts.lab.act('B', 'kill')
    await parts.lab.act('B', 'start')
    const { servers } = await parts.lab.state()
    const refused = await fetch(`${servers[1]?.url}/cart`, {
      headers: { cookie: `session=${'a'.repeat(43)}` },
    })
    await refused.arrayBuffer()
    await parts.lab.call('POST', '/api/strategy', { name: 'memory' })
    await parts.lab.call('POST', '/api/strategy', { name: 'redis' })
    const after = await parts.lab.state()

    expect(servers.map(({ link }) => link)).toEqual(['whole', 'cut', 'whole'])
    expect(refused.status).toBe(503)
    expect(after.servers.map(({ link }) => link)).toEqual(['whole', 'whole', 'whole'])
    expect(parts.lab.stderr()).toContain('Server B was cut off from the store')
  })

  describe.skipIf(skipsChromium)(`in a browser${chromiumNeeded}`, () => {
    let chromium: Chromium

    beforeAll(async () => {
      chromium = await startChromium()
    })

    afterAll(async () => {
      await chromium?.close()
    })

    it('are cut, slowed down and healed by buttons, and drawn as they are', async () => {
      const { page, server } = await openDashboard(await chromium.open(), parts.lab.control)
      const seen: unknown[] = []

      for (const [button, link] of [
        ['Slow down C', 'slow'],
        ['Cut off C', 'cut'],
        ['Heal C', 'whole'],
      ] as const) {
        await page.getByRole('button', { name: button, exact: true }).click()
        await page.locator(`[data-testid="server-C"][data-link="${link}"]`).waitFor()
        await page.locator(`[data-testid="stage-link-C"][data-link="${link}"]`).waitFor()
        seen.push(await server('C').locator('.link-actions [aria-disabled="false"]').allInnerTexts())
        seen.push((await parts.lab.state()).servers[2]?.link)
      }
      await chromium.closeAll()

      expect(seen).toEqual([['Cut off', 'Heal'], 'slow', ['Heal'], 'cut', ['Cut off', 'Slow down'], 'whole'])
    })
  })
})
