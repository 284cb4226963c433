import { describe, expect, it } from 'vitest'
import { startLab } from './support/lab.ts'
import { register, visit } from './support/visits.ts'

describe('switching the strategy', () => {
  it('starts every strategy afresh on the same address, with its own routing', async () => {
    const lab = await startLab(['--headless', '--strategy', 'sqlite'])
    try {
      const cookie = await register(lab.shop)
      await lab.call('POST', '/api/strategy', { name: 'sticky' })
      const sticky = await lab.state()
      const sameServer = await visit(lab.shop, await register(lab.shop), 6)
      await lab.call('POST', '/api/strategy', { name: 'memory', routing: 'random' })
      const memory = await lab.state()
      await lab.call('POST', '/api/strategy', { name: 'sqlite' })
      const sqlite = await lab.state()
      const forgotten = await visit(lab.shop, cookie, 3)
      const anywhere = await visit(lab.shop, await register(lab.shop), 6)

      expect(sticky).toMatchObject({
        strategy: 'sticky',
        routing: 'sticky',
        shop: lab.shop,
        switching: false,
      })
      expect(new Set(sameServer.map(([server]) => server)).size).toBe(1)
      expect(sameServer.every(([, status]) => status === 200)).toBe(true)
      expect(memory).toMatchObject({ strategy: 'memory', routing: 'random' })
      expect(sqlite).toMatchObject({ strategy: 'sqlite', routing: 'round-robin' })
      expect(sqlite.servers.every(({ status, healthy }) => status === 'ready' && healthy)).toBe(true)
      expect(forgotten.every(([, status]) => status === 401)).toBe(true)
      expect(anywhere.every(([, status]) => status === 200)).toBe(true)
    } finally {
      await lab.stop()
    }
  })

  it('sends the visitors home, counts anew, and takes wishes for their return meanwhile', async () => {
    const lab = await startLab(['--headless', '--strategy', 'memory'])
    try {
      await lab.call('POST', '/api/traffic', { visitors: 8, rate: 200 })
      await expect.poll(async () => (await lab.state()).traffic.lost, { timeout: 20_000 }).toBeGreaterThan(3)

      const switched = lab.call('POST', '/api/strategy', { name: 'sqlite' })
      await expect.poll(async () => (await lab.state()).switching).toBe(true)
      await lab.call('POST', '/api/traffic', { visitors: 5 })
      const { switching, traffic: meanwhile } = await lab.state()
      await switched
      await expect.poll(async () => (await lab.state()).traffic.kept, { timeout: 20_000 }).toBe(5)
      const { traffic } = await lab.state()

      expect(switching).toBe(true)
      expect(meanwhile).toMatchObject({ visitors: 5, rate: 200, loggedIn: 0, lost: 0, requests: 0 })
      expect(traffic).toMatchObject({ visitors: 5, rate: 200, loggedIn: 5, lost: 0, failed: 0 })
    } finally {
      await lab.stop()
    }
  })

  it('changes nothing but the routing when the strategy stays', async () => {
    const lab = await startLab(['--headless', '--strategy', 'memory', '--routing', 'sticky'])
    try {
      const before = await lab.state()
      const cookie = await register(lab.shop)
      const together = await visit(lab.shop, cookie, 6)
      await lab.call('POST', '/api/strategy', { name: 'memory', routing: 'round-robin' })
      const after = await lab.state()
      const apart = await visit(lab.shop, cookie, 6)

      expect(together.every(([, status]) => status === 200)).toBe(true)
      expect(after.routing).toBe('round-robin')
      expect(after.servers.map(({ pid }) => pid)).toEqual(before.servers.map(({ pid }) => pid))
      expect(apart.filter(([, status]) => status === 200)).toHaveLength(2)
    } finally {
      await lab.stop()
    }
  })
})
