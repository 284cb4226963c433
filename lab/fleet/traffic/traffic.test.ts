import { once } from 'node:events'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { type ShopFault, type StandInShop, startStandInShop } from '../../../test/support/stand-in-shop.ts'
import { createTraffic, MAX_RATE, MAX_VISITORS, type Traffic } from './traffic.ts'

let shop: StandInShop | undefined
let traffic: Traffic

afterEach(async () => {
  await traffic.close()
  await shop?.close()
  shop = undefined
})

async function shopWith(fault?: ShopFault): Promise<void> {
  const started = await startStandInShop(fault)
  shop = started
  traffic = createTraffic(() => started.url)
}

/** A balancer that gives requests to three servers strictly in turn, and notes who reached which of them. */
async function startRoundRobin() {
  const reached = new Map<string, Set<string>>()
  let requests = 0
  const server = createServer((request, response) => {
    const id = 'ABC'[requests++ % 3] ?? ''
    const cookie = request.headers.cookie ?? `session=${requests}`
    reached.set(cookie, (reached.get(cookie) ?? new Set()).add(id))
    response.setHeader('X-Served-By', id).setHeader('Set-Cookie', `${cookie}; Path=/`)
    response.end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => void server.close())
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, reached }
}

describe('createTraffic()', () => {
  it('logs everybody in and loses nobody in a healthy shop', async () => {
    await shopWith()

    traffic.set({ visitors: 6, rate: 300 })
    await vi.waitFor(() => expect(traffic.state().requests).toBeGreaterThan(200), 10_000)

    expect(traffic.state()).toMatchObject({
      visitors: 6,
      rate: 300,
      loggedIn: 6,
      lost: 0,
      crossUser: 0,
      failed: 0,
    })
    expect(traffic.state().lostByServer).toEqual({})
  })

  it('counts those who were lost by the server that had acknowledged their login', async () => {
    await shopWith('forgetful')

    traffic.set({ visitors: 12, rate: 400 })
    await vi.waitFor(() => expect(traffic.state().lost).toBeGreaterThan(5), 10_000)

    const { loggedIn, kept, lostByServer } = traffic.state()
    const lost = Object.values(lostByServer).reduce((sum, count) => sum + count, 0)
    expect(loggedIn - kept).toBe(lost)
    expect(Object.keys(lostByServer).join('')).toMatch(/^[ABC]+$/)
  })

  it('sees that an answer was meant for somebody else', async () => {
    await shopWith('crossed-users')

    traffic.set({ visitors: 6, rate: 400 })

    await vi.waitFor(() => expect(traffic.state().crossUser).toBeGreaterThan(0), 10_000)
  })

  it('goes on when the shop is gone, and counts what failed', async () => {
    await shopWith()
    traffic.set({ visitors: 4, rate: 200 })
    await vi.waitFor(() => expect(traffic.state().loggedIn).toBe(4), 10_000)

    await shop?.close()

    await vi.waitFor(() => expect(traffic.state().failed).toBeGreaterThan(10), 10_000)
    expect(traffic.state().lost).toBe(0)
  })

  it('brings every visitor to every server of a balancer that goes round', async () => {
    const { url, reached } = await startRoundRobin()
    traffic = createTraffic(() => url)
    traffic.set({ visitors: 12, rate: 300 })
    await vi.waitFor(() => expect(traffic.state().loggedIn).toBe(12), 10_000)
    reached.clear()
    const { requests } = traffic.state()

    await vi.waitFor(() => expect(traffic.state().requests).toBeGreaterThan(requests + 600), 10_000)

    const servers = [...reached.values()].map((ids) => [...ids].toSorted().join(''))
    expect(servers).toEqual(Array.from({ length: 12 }, () => 'ABC'))
  })

  it('changes what it is told and leaves the rest', async () => {
    await shopWith()
    traffic.set({ visitors: 5 })

    traffic.set({ rate: 60 })

    expect(traffic.state()).toMatchObject({ visitors: 5, rate: 60 })
  })

  it('sends nobody while it pauses, and takes its settings to heart meanwhile', async () => {
    await shopWith()
    traffic.set({ visitors: 4, rate: 200 })
    await vi.waitFor(() => expect(traffic.state().loggedIn).toBe(4), 10_000)

    await traffic.pause()
    traffic.set({ visitors: 6 })

    expect(traffic.state()).toMatchObject({ visitors: 6, rate: 200, loggedIn: 0, kept: 0, requests: 0 })
  })

  it('starts over with strangers and with figures from zero', async () => {
    await shopWith('forgetful')
    traffic.set({ visitors: 6, rate: 400 })
    await vi.waitFor(() => expect(traffic.state().lost).toBeGreaterThan(5), 10_000)
    const before = traffic.state()

    await traffic.pause()
    traffic.resume()

    const after = traffic.state()
    expect(after).toMatchObject({ visitors: 6, rate: 400, loggedIn: 0, lost: 0, requests: 0, failed: 0 })
    expect(after.lostByServer).toEqual({})
    await vi.waitFor(() => expect(traffic.state().requests).toBeGreaterThan(0), 10_000)
    expect(traffic.state().requests).toBeLessThan(before.requests)
  })

  it('lets visitors leave', async () => {
    await shopWith()
    traffic.set({ visitors: 5, rate: 100 })

    traffic.set({ visitors: 2, rate: 0 })

    expect(traffic.state()).toMatchObject({ visitors: 2, rate: 0 })
  })

  it('does not count what visitors drop as they leave', async () => {
    const silent = createServer()
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void silent.close())
    traffic = createTraffic(() => `http://127.0.0.1:${(silent.address() as AddressInfo).port}`)
    traffic.set({ visitors: 2, rate: 100 })
    const [request] = (await once(silent, 'request')) as [IncomingMessage]

    traffic.set({ visitors: 0 })
    await once(request.socket, 'close')

    expect(traffic.state()).toMatchObject({ requests: 0, failed: 0 })
  })

  it.each([
    { visitors: -1, rate: 1 },
    { visitors: 1.5, rate: 1 },
    { visitors: MAX_VISITORS + 1, rate: 1 },
    { visitors: 1, rate: -1 },
    { visitors: 1, rate: MAX_RATE + 1 },
    { visitors: 1, rate: Number.NaN },
    { visitors: Number.NaN },
  ])('refuses %j', async (settings) => {
    await shopWith()

    expect(() => traffic.set(settings)).toThrow(RangeError)
  })
})
