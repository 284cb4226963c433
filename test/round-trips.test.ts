/**
 * What sessions cost a store, counted where the clients hand their commands to the system.
 *
 * @module
 */

import { Socket } from 'node:net'
import { createSessions } from 'coatcheck'
import { describe, expect, it, onTestFinished } from 'vitest'
import { describeWith } from './support/engines.ts'
import { createBrowser, createTrial, createUser, FakeExchange, type Shop } from './support/session-trial.ts'
import { report } from './support/replicated-servers.ts'
import { type StoreKind, storeKinds } from './support/store-fleets.ts'

const READS = 200
/** Writes of proofs, pings and the like, which nobody asked for, in the time of so many reads. */
const BACKGROUND = 20

/** Counts what all sockets of this process send, each burst once. */
function countBursts(): () => number {
  let bursts = 0
  const sockets = Socket.prototype as unknown as Record<'_write' | '_writev', (...values: unknown[]) => void>
  const { _write: write, _writev: writev } = sockets
  sockets._write = function (...values) {
    bursts++
    write.apply(this, values)
  }
  sockets._writev = function (...values) {
    bursts++
    writev.apply(this, values)
  }
  onTestFinished(() => void Object.assign(sockets, { _write: write, _writev: writev }))
  return () => bursts
}

async function createCounted(kind: StoreKind) {
  const fleet = await kind.start()
  onTestFinished(async () => void (await fleet.close()))
  const calls: string[] = []
  const { store, close } = await fleet.open((method, next) => {
    calls.push(method)
    return next()
  })
  onTestFinished(async () => void (await close()))
  const sessions = createSessions<Shop>(store as never)
  onTestFinished(() => sessions.close())
  const browser = createBrowser()
  await browser.visit(sessions, (session) => session.login('ada'))
  // Until copies are proven fresh, the store is asked.
  const ask = async () => {
    calls.length = 0
    await browser.visit(sessions)
    return calls.length
  }
  await expect.poll(ask, { timeout: 10_000 }).toBe(kind.bound > 0 ? 0 : 1)
  calls.length = 0
  return { sessions, browser, calls, bursts: countBursts() }
}

for (const kind of storeKinds) {
  const isCopied = kind.bound > 0
  describeWith(kind.needs, `createSessions() over ${kind.title}`, () => {
    it('asks the store nothing for a page that does not look at its session', async () => {
      const { sessions, browser, calls, bursts } = await createCounted(kind)
      const before = bursts()

      for (let times = 0; times < READS; times++) {
        const exchange = times % 2 === 0 ? browser.request() : new FakeExchange()
        sessions.attach(exchange, exchange)
        await exchange.end()
      }

      expect(calls).toEqual([])
      expect(bursts() - before).toBeLessThan(BACKGROUND)
    })

    it(`reads a session in ${isCopied ? 'no' : 'one'} round trip`, async () => {
      const { sessions, browser, calls, bursts } = await createCounted(kind)
      const before = bursts()

      for (let times = 0; times < READS; times++) {
        const { session } = await browser.visit(sessions)
        expect(session.principal).toBe('ada')
      }

      expect(calls).toEqual(isCopied ? [] : Array.from({ length: READS }, () => 'read'))
      expect(bursts() - before).toBeLessThan((isCopied ? 0 : READS) + BACKGROUND)
    })
  })
}

describe('createSessions() under steady reading', () => {
  it.each([
    [30, 1_000],
    [30, 2_000],
    [30, 5_000],
    [15, 5_000],
    [5, 5_000],
  ] as const)(
    'with an idle timeout of %d min, read every %d ms, moves the last use seldom',
    async (minutes, every) => {
      const idleTimeout = `${minutes}m` as const
      const trial = createTrial({ idleTimeout })
      const browser = await createUser(trial)
      const before = trial.store.count('touch', 'write', 'create', 'delete')
      let reads = 0

      for (let elapsed = 0; elapsed < 3_600_000; elapsed += every) {
        trial.elapse(every)
        const { session } = await browser.visit(reads++ % 2 === 0 ? trial.here : trial.there)
        expect(session.principal).toBe('ada')
      }

      const writes = trial.store.count('touch', 'write', 'create', 'delete') - before
      report({ idleTimeout, every, writesForEachRead: writes / reads })
      // Once in 30 s or in 5 % of the idle timeout, however often it is read: 0.011 for each read at one a second.
      expect(writes).toBeLessThanOrEqual(3_600_000 / Math.max(30_000, minutes * 3_000))
      if (minutes === 30 && every === 1_000) expect(writes / reads).toBeLessThan(0.02)
      trial.close()
    },
  )
})
