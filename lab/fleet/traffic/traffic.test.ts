import { afterEach, describe, expect, it, vi } from 'vitest'
import { type ShopFault, type StandInShop, startStandInShop } from '../../../test/support/stand-in-shop.ts'
import { createTraffic, MAX_RATE, MAX_VISITORS, type Traffic } from './traffic.ts'

let shop: StandInShop
let traffic: Traffic

afterEach(async () => {
  await traffic.close()
  await shop.close()
})

async function shopWith(fault?: ShopFault): Promise<void> {
  shop = await startStandInShop(fault)
  traffic = createTraffic(() => shop.url)
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

    await shop.close()

    await vi.waitFor(() => expect(traffic.state().failed).toBeGreaterThan(10), 10_000)
    expect(traffic.state().lost).toBe(0)
  })

  it('lets visitors leave', async () => {
    await shopWith()
    traffic.set({ visitors: 5, rate: 100 })

    traffic.set({ visitors: 2, rate: 0 })

    expect(traffic.state()).toMatchObject({ visitors: 2, rate: 0 })
  })

  it.each([
    { visitors: -1, rate: 1 },
    { visitors: 1.5, rate: 1 },
    { visitors: MAX_VISITORS + 1, rate: 1 },
    { visitors: 1, rate: -1 },
    { visitors: 1, rate: MAX_RATE + 1 },
    { visitors: 1, rate: Number.NaN },
  ])('refuses %j', async (settings) => {
    await shopWith()

    expect(() => traffic.set(settings)).toThrow(RangeError)
  })
})
