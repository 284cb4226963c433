/**
 * What happens when the network breaks and nothing else does: a server is cut off from its store, its channel of changes
 * falls silent, or the store is far away. On real engines, judged by clients that ask each server by itself.
 *
 * `COATCHECK_LONG=1` runs the long forms.
 */

import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ServerName } from '../lab/engines/installed.ts'
import { channelCut } from '../lab/fleet/experiments/channel-cut.ts'
import { networkCut } from '../lab/fleet/experiments/network-cut.ts'
import { slowStore } from '../lab/fleet/experiments/slow-store.ts'
import type { ExperimentResult, Fleet } from '../lab/fleet/protocol.ts'
import { type Chromium, chromiumNeeded, skipsChromium, startChromium } from './support/chromium.ts'
import { openDashboard } from './support/dashboard.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, startLab } from './support/lab.ts'
import { connectFleet } from './support/remote-fleet.ts'

const short = process.env['COATCHECK_LONG'] !== '1'

/** How old a copy may be that is answered from, in milliseconds. */
const BOUND = 2_000

/** A refusal is promised within 1 s, and all to be well again within 2 s; three times as much on a busy machine. */
const PATIENCE = { refusal: 3_000, recovery: 6_000 }

/** Part of the requests elsewhere that may miss their deadline when the machine is busy, without any fault. */
const BUSY = 0.05

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

function partElsewhere({ measured }: ExperimentResult): number {
  return Number(measured['refused_elsewhere']) / Number(measured['requests_elsewhere'])
}

function linksOf({ fleet }: { readonly fleet: Fleet }) {
  return fleet.state().servers.map(({ link }) => link)
}

const uncached: readonly (readonly [strategy: string, servers: readonly ServerName[]])[] = [
  ['postgres', ['postgresql']],
  ['redis', ['redis-server']],
  ['redis-sentinel', ['redis-server', 'redis-sentinel']],
  ['redis-cluster', ['redis-server']],
  ['memcached', ['memcached']],
]

for (const [strategy, servers] of uncached) {
  describeWith(servers, `three servers on ${strategy}, with networks that break`, () => {
    const parts = useLab(strategy)

    it('refuse with 503 where the store is out of reach, serve elsewhere, and lose nothing', async () => {
      const result = await networkCut.run(parts.fleet, { short })
      const { measured } = result

      expect(measured).toMatchObject({
        revoked: 4,
        served_from_copy: 0,
        answered_otherwise: 0,
        without_retry_after: 0,
        stale_answers: 0,
        resurrected: 0,
        acked_lost: 0,
        cross_user: 0,
      })
      expect(partElsewhere(result)).toBeLessThan(BUSY)
      expect(measured['refused']).toBeGreaterThan(20)
      expect(measured['acked_items']).toBeGreaterThan(20)
      expect(measured['slowest_refusal_ms']).toBeLessThan(PATIENCE.refusal)
      expect(measured['recovery_ms']).toBeLessThan(PATIENCE.recovery)
      expect(linksOf(parts)).toEqual(['whole', 'whole', 'whole'])
    })
  })
}

for (const [strategy, servers] of [
  ['postgres-cached', ['postgresql']],
  ['redis-cached', ['redis-server']],
  ['replicated', ['nats-server']],
] as const) {
  describeWith(servers, `three servers on ${strategy}, with networks that break`, () => {
    const parts = useLab(strategy)

    it('serve copies within the bound where the store is out of reach, then refuse, and lose nothing', async () => {
      const result = await networkCut.run(parts.fleet, { short })
      const { measured } = result

      expect(measured).toMatchObject({
        revoked: 4,
        answered_otherwise: 0,
        without_retry_after: 0,
        resurrected: 0,
        acked_lost: 0,
        cross_user: 0,
      })
      expect(measured['served_from_copy']).toBeGreaterThan(0)
      expect(measured['last_copy_ms']).toBeLessThanOrEqual(BOUND)
      expect(measured['last_stale_ms']).toBeLessThanOrEqual(BOUND)
      expect(partElsewhere(result)).toBeLessThan(BUSY)
      expect(measured['refused']).toBeGreaterThan(20)
      expect(measured['slowest_refusal_ms']).toBeLessThan(PATIENCE.refusal)
      expect(measured['recovery_ms']).toBeLessThan(PATIENCE.recovery)
    })

    if (strategy === 'replicated') return

    it('believe no copy that they are told nothing about, and have hits again afterwards', async () => {
      const { measured } = await channelCut.run(parts.fleet, { short })

      expect(measured).toMatchObject({
        hits_whole: 10,
        severed_read_through: 10,
        severed_hits: 0,
        silent_read_through: 10,
        silent_hits: 0,
        resurrected: 0,
        acked_lost: 0,
        cross_user: 0,
      })
      expect(measured['severed_last_stale_ms']).toBeLessThanOrEqual(1_000)
      // A silent channel is believed for a while: otherwise the cut would have cut nothing.
      expect(measured['silent_stale_answers']).toBeGreaterThan(0)
      expect(measured['silent_last_stale_ms']).toBeLessThanOrEqual(BOUND)
    })
  })
}

describeWith(['postgresql'], 'three servers far away from PostgreSQL', () => {
  const parts = useLab('postgres')

  it('shed what the store cannot do in time with 503, and nothing else', async () => {
    const { measured } = await slowStore.run(parts.fleet, { short })

    expect(measured).toMatchObject({
      answered_otherwise: 0,
      without_retry_after: 0,
      acked_lost: 0,
      cross_user: 0,
    })
    expect(measured['refused']).toBeGreaterThan(100)
    expect(measured['slowest_answer_ms']).toBeLessThan(PATIENCE.refusal)
    expect(measured['recovery_ms']).toBeLessThan(PATIENCE.recovery)
  })
})

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
