import { describe, expect, it } from 'vitest'
import { createBrowser, createTrial, createUser, type Sessions } from '../../test/support/session-trial.ts'

const MINUTE = 60_000
const DAY = 86_400_000

describe('createSessions() on a store with a clock of its own', () => {
  const skews = [5 * MINUTE, -5 * MINUTE, DAY] as const

  /** A trial, and a server whose clock is wrong. */
  function createSkewed(skew: number): { trial: ReturnType<typeof createTrial>; wrong: Sessions } {
    const trial = createTrial({ storeClock: true })
    return { trial, wrong: trial.addServer({ now: () => trial.now() + skew }) }
  }

  it.for(skews)(
    'neither shortens nor stretches a visit on a server whose clock is wrong by %d ms',
    async (skew) => {
      const { trial, wrong } = createSkewed(skew)

      // The very first request this server sees is a stranger's.
      const { session } = await createBrowser().visit(wrong, (session) => session.set('count', 1))

      expect(session.createdAt).toBe(trial.now())
      expect(session.expiresAt).toBe(trial.now() + 30 * MINUTE + 90_000)
    },
  )

  it.for(skews)('gives a login on such a server its lifetime by the store, off by %d ms', async (skew) => {
    const { trial, wrong } = createSkewed(skew)

    const { session, exchange } = await createBrowser().visit(wrong, (session) =>
      session.login('ada', { remember: true }),
    )

    expect([session.createdAt, session.expiresAt]).toEqual([trial.now(), trial.now() + 30 * DAY])
    expect(exchange.cookies[0]).toContain(`Max-Age=${(30 * DAY) / 1_000};`)
  })

  it.for(skews)('does not count by its own clock for parallel first requests, off by %d ms', async (skew) => {
    const { trial, wrong } = createSkewed(skew)
    const browser = await createUser(trial)
    trial.elapse(10 * MINUTE)
    trial.store.intercept = async (call, next) => {
      // The other request goes on while this one asks for the time.
      if (call.method === 'now') await new Promise((resolve) => setImmediate(resolve))
      return next()
    }

    await Promise.all([1, 2].map(() => browser.copy().visit(wrong, (session) => session.set('count', 1))))
    await new Promise((resolve) => setImmediate(resolve))

    const [info] = await trial.here.of('ada').list()
    expect(info).toMatchObject({ lastSeenAt: trial.now(), expiresAt: trial.now() + 30 * MINUTE + 90_000 })
  })

  it('asks for the time seldom', async () => {
    const trial = createTrial({ storeClock: true })
    const browser = await createUser(trial)

    for (let at = 0; at < 100; at++) await browser.visit(trial.here)

    expect(trial.store.count('now')).toBeLessThanOrEqual(2)
  })

  it('follows a clock that was set meanwhile', async () => {
    const trial = createTrial({ storeClock: true })
    let skew = 0
    const server = trial.addServer({ now: () => trial.now() + skew })
    const browser = createBrowser()
    await browser.visit(server, (session) => session.set('count', 1))
    await browser.visit(server)
    skew = 7 * MINUTE
    trial.elapse(MINUTE)

    await browser.visit(server)
    await new Promise((resolve) => setImmediate(resolve))
    const { session } = await browser.visit(server, (session) => session.set('count', 2))

    expect(session.lastSeenAt).toBe(trial.now())
  })
})
