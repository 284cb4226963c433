import { once } from 'node:events'
import { createServer } from 'node:net'
import { describe, expect, it, onTestFinished } from 'vitest'
import { PortTakenError, withFreePorts } from './ports.ts'

describe('withFreePorts()', () => {
  it('gives different ports on which a server can listen, and on the Redis Cluster bus of each as well', async () => {
    const ports = await withFreePorts(20, async (free) => free)

    expect(new Set(ports).size).toBe(20)
    for (const port of ports.flatMap((each) => [each, each + 10_000])) {
      expect(port).toBeLessThan(32_768)
      const server = createServer().listen({ host: '127.0.0.1', port })
      onTestFinished(() => void server.close())
      await once(server, 'listening')
    }
  })

  it('tries other ports when somebody was faster', async () => {
    const attempts: (readonly number[])[] = []

    const result = await withFreePorts(1, async (ports) => {
      attempts.push(ports)
      if (attempts.length < 3) throw new PortTakenError('Taken')
      return 'started'
    })

    expect(result).toBe('started')
    expect(new Set(attempts.flat()).size).toBe(3)
  })

  it.each([
    [new PortTakenError('Taken'), 5],
    [new Error('No memory'), 1],
  ])('gives up with %s after %i attempts', async (error, expected) => {
    let attempts = 0

    const started = withFreePorts(1, async () => {
      attempts++
      throw error
    })

    await expect(started).rejects.toBe(error)
    expect(attempts).toBe(expected)
  })
})
