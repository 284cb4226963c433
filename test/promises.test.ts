/**
 * The promises of the README, on real processes and real sockets, judged by clients that keep their own account.
 *
 * `COATCHECK_LONG=1` runs the long forms: a minute of kills, every round of every race.
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { corruptRecord } from '../lab/fleet/experiments/corrupt-record.ts'
import { createCrowd } from '../lab/fleet/experiments/crowd.ts'
import { expireSession } from '../lab/fleet/experiments/meddling/sqlite.ts'
import { loginRace } from '../lab/fleet/experiments/login-race.ts'
import { parallelWriters } from '../lab/fleet/experiments/parallel-writers.ts'
import { randomServer } from '../lab/fleet/experiments/random-server.ts'
import { revocationRace } from '../lab/fleet/experiments/revocation-race.ts'
import { rollingRestart } from '../lab/fleet/experiments/rolling-restart.ts'
import { serverKilled } from '../lab/fleet/experiments/server-killed.ts'
import { serverPaused } from '../lab/fleet/experiments/server-paused.ts'
import { storeAway } from '../lab/fleet/experiments/store-away.ts'
import type { Fleet } from '../lab/fleet/protocol.ts'
import { createBrowser } from '../lab/fleet/traffic/browser.ts'
import { createVisitor, readHandle, type Visitor } from '../lab/fleet/traffic/visitor.ts'
import { type Lab, startLab } from './support/lab.ts'
import { connectFleet } from './support/remote-fleet.ts'

const long = process.env['COATCHECK_LONG'] === '1'

/** Gives the tests of one `describe` a lab of their own. */
function useLab(...args: readonly string[]): { readonly lab: Lab; readonly fleet: Fleet } {
  const parts: { lab?: Lab; fleet?: Fleet } = {}
  beforeAll(async () => {
    parts.lab = await startLab(args)
    parts.fleet = await connectFleet(parts.lab)
  })
  afterAll(async () => {
    await parts.fleet?.close()
    await parts.lab?.stop()
  })
  return parts as { lab: Lab; fleet: Fleet }
}

describe('three servers on one SQLite file, a random one for each request', () => {
  const parts = useLab('--strategy', 'sqlite', '--servers', '3', '--routing', 'random')

  it('keep all of 200 parallel cart additions, and what 50 parallel writers wrote', async () => {
    const { measured } = await parallelWriters.run(parts.fleet)

    expect(measured).toMatchObject({ additions: 250, kept: 250, lost_updates: 0, doubled: 0, servers: 3 })
  })

  it('let a client read its own writes on whichever server', async () => {
    const { measured } = await randomServer.run(parts.fleet, { short: !long })

    expect(measured).toMatchObject({ stale_reads: 0, strangers: 0, cross_user: 0, refused: 0 })
  })

  it('never answer for a session after its logout was acknowledged, round after round against eight clients', async () => {
    const rounds = long ? 1_000 : 250
    const { measured } = await revocationRace.run(parts.fleet, { rounds })

    expect(measured).toMatchObject({
      rounds,
      resurrected: 0,
      false_acks: 0,
      cross_user: 0,
      status_5xx: 0,
    })
    expect(measured['late_answers']).toBeGreaterThan(10 * rounds)
  }, 300_000)

  it('neither log anybody out nor let an id be planted while answers to logins get lost', async () => {
    const { measured } = await loginRace.run(parts.fleet, { short: !long })

    expect(measured).toMatchObject({ forced_logout: 0, fixated: 0, acked_lost: 0, cross_user: 0 })
    expect(measured['dropped']).toBeGreaterThan(0)
  })

  it.each(['forged', 'expired', 'deleted'] as const)('never adopt a %s id', async (kind) => {
    const id = await obtainId(kind, parts.lab, parts.fleet)
    const browser = createBrowser(() => parts.lab.shop)
    browser.jar.receive([`session=${id}; Path=/`])

    const me = await browser.request('GET', '/me')
    const cart = await browser.request('GET', '/cart')
    const added = await browser.request('POST', '/cart', { body: { item: 'tea' } })
    await browser.close()

    expect([me?.status, cart?.body]).toEqual([401, { cart: [] }])
    expect(added).toMatchObject({ status: 200, body: { cart: ['tea'] } })
    expect(browser.jar.header()).toMatch(/^session=[\w-]{43}$/)
    expect(browser.jar.header()).not.toContain(id)
  })

  it('let nobody in with an id from before a login, nor let it disturb the cookie of the login', async () => {
    const visitor = createVisitor(() => parts.lab.shop, { username: 'arrives' })
    await visitor.addItem()
    const before = visitor.jar.header() ?? ''
    await visitor.register()
    const stale = createBrowser(() => parts.lab.shop)
    stale.jar.receive([`${before}; Path=/`])

    const me = await stale.request('GET', '/me')
    const cart = await stale.request('GET', '/cart')
    const added = await stale.request('POST', '/cart', { body: { item: 'tea' } })
    const owned = await visitor.cart()
    await Promise.all([visitor.close(), stale.close()])

    expect([me?.status, cart?.body, added?.status]).toEqual([401, { cart: [] }, 409])
    expect(stale.jar.header()).toBe(before)
    expect(visitor.jar.header()).not.toBe(before)
    expect(owned.answer?.body).toEqual({ cart: [...visitor.items] })
  })

  it('never show one of sixty interleaved users to another', async () => {
    const crowd = createCrowd(() => parts.lab.shop, { size: 60, pause: 5 })
    await crowd.enter()

    crowd.start()
    await delay(long ? 30_000 : 8_000)
    await crowd.stop()
    await crowd.verify()
    await crowd.close()

    const figures = crowd.figures()
    expect(figures).toMatchObject({ cross_user: 0, acked_lost: 0, doubled: 0, status_5xx: 0, unanswered: 0 })
    expect(figures.requests).toBeGreaterThan(2_000)
  })

  it('answer 503 with Retry-After within the deadline while the file is locked for 10 s, then lose nothing', async () => {
    const { measured } = await storeAway.run(parts.fleet, { seconds: 10 })

    expect(measured).toMatchObject({
      answered_otherwise: 0,
      without_retry_after: 0,
      acked_lost: 0,
      cross_user: 0,
    })
    expect(measured['refused']).toBeGreaterThan(20)
    expect(measured['slowest_answer_ms']).toBeLessThan(3_000)
    expect(measured['recovery_ms']).toBeLessThan(2_000)
  })

  it('give a new session, report it, and never answer 5xx when a record was damaged by hand', async () => {
    const result = await corruptRecord.run(parts.fleet, { short: !long })

    expect(result).toEqual({ ...result, met: true })
    expect(result.measured).toMatchObject({ damaged: long ? 12 : 4, status_5xx: 0, still_known: 0 })
  })

  it('refuse the late writes of a server that slept through a logout', async () => {
    const { measured } = await serverPaused.run(parts.fleet, { short: !long })

    expect(measured).toMatchObject({ revoked: 10, resurrected: 0, acked_lost: 0, cross_user: 0 })
    expect(measured['late_writes_answered']).toBeGreaterThan(0)
  })

  it('lose nothing and answer no 5xx while they are drained and restarted in turn', async () => {
    const { measured } = await rollingRestart.run(parts.fleet, { short: !long })

    expect(measured).toMatchObject({ acked_lost: 0, status_5xx: 0, unanswered: 0, cross_user: 0, doubled: 0 })
  })

  it('lose no acknowledged login and no acknowledged item when random servers are killed at random moments', async () => {
    const { measured } = await serverKilled.run(parts.fleet, { seconds: long ? 60 : 20 })

    expect(measured).toMatchObject({ acked_lost: 0, cross_user: 0, doubled: 0 })
    expect(measured['kills']).toBeGreaterThan(1)
    expect(measured['acked_items']).toBeGreaterThan(200)
  })
})

describe('three servers with sticky routing', () => {
  const parts = useLab('--strategy', 'sticky', '--servers', '3')

  it('keep every visitor on its server', async () => {
    const visitor = createVisitor(() => parts.lab.shop, { username: 'stays' })
    await visitor.register()

    const servers = await Promise.all(Array.from({ length: 30 }, () => visitor.request('GET', '/me')))
    await visitor.close()

    expect(servers.map((answer) => answer?.status)).toEqual(Array.from({ length: 30 }, () => 200))
    expect(new Set(servers.map((answer) => answer?.server))).toEqual(new Set([visitor.loginServer]))
  })

  it('lose exactly the logins of a server that is killed', async () => {
    const { measured } = await serverKilled.run(parts.fleet)

    expect(measured).toMatchObject({ lost_elsewhere: 0, cross_user: 0 })
    expect(measured['logins_on_killed']).toBeGreaterThan(0)
    expect(measured['lost_on_killed']).toBe(measured['logins_on_killed'])
  })

  it('lose nothing while a server drains', async () => {
    const { measured } = await rollingRestart.run(parts.fleet, { short: !long })

    expect(measured).toMatchObject({ lost_while_draining: 0, newcomers_on_draining: 0, lost_elsewhere: 0 })
  })

  it('have a paused server’s logins back when it is resumed', async () => {
    const result = await serverPaused.run(parts.fleet, { short: !long })

    expect(result).toEqual({ ...result, met: true })
  })
})

describe('three servers that keep sessions in memory', () => {
  const parts = useLab('--strategy', 'memory', '--servers', '3', '--routing', 'round-robin')

  it('do not know a visitor on the next server', async () => {
    const visitor = createVisitor(() => parts.lab.shop, { username: 'wanders' })
    await visitor.register()
    const cookie = visitor.jar.header() ?? ''

    const answers = []
    for (let request = 0; request < 6; request++)
      answers.push(await visitor.request('GET', '/me', { cookie }))
    await visitor.close()

    for (const answer of answers)
      expect(answer?.status).toBe(answer?.server === visitor.loginServer ? 200 : 401)
    expect(answers.filter((answer) => answer?.status === 200)).toHaveLength(2)
  })

  it('keep all parallel updates of a session and end it at once, as long as one server is asked', async () => {
    const writers = await parallelWriters.run(parts.fleet)
    const race = await revocationRace.run(parts.fleet, { rounds: long ? 1_000 : 100 })

    expect(writers.measured).toMatchObject({ kept: 250, lost_updates: 0, servers: 1 })
    expect(race.measured).toMatchObject({ resurrected: 0, cross_user: 0 })
  })
})

/** Gets an id that must not be good for anything. */
async function obtainId(kind: 'forged' | 'expired' | 'deleted', lab: Lab, fleet: Fleet): Promise<string> {
  if (kind === 'forged') return randomBytes(32).toString('base64url')
  const visitor = createVisitor(() => lab.shop, { username: `once-${kind}` })
  try {
    await visitor.register()
    const id = readId(visitor)
    const handle = readHandle((await visitor.request('GET', '/me'))?.body) ?? ''
    if (kind === 'deleted') await visitor.logout()
    else if (!expireSession(fleet.state().databaseFile ?? '', handle))
      throw new Error('There is no such session')
    return id
  } finally {
    await visitor.close()
  }
}

function readId({ jar }: Visitor): string {
  const id = /session=([\w-]{43})/.exec(jar.header() ?? '')?.[1]
  if (id === undefined) throw new Error('The shop has set no session cookie')
  return id
}
