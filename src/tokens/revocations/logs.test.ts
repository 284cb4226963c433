import { randomBytes } from 'node:crypto'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { describeWith } from '../../../test/support/engines.ts'
import { type RevocationBackend, revocationBackends } from '../../../test/support/revocation-backends.ts'
import type { RevocationEntry, RevocationLog, RevocationSubscription } from '../revocation-log.ts'
import { createRevocations, type RevocationEvent, type RevocationsOptions } from '../revocations.ts'

const BOUND = 1_000
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

async function until(condition: () => boolean, patience = 10_000): Promise<number> {
  const startedAt = performance.now()
  while (!condition()) {
    if (performance.now() - startedAt > patience) throw new Error(`It did not happen within ${patience} ms`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  return performance.now() - startedAt
}

const unique = () => randomBytes(9).toString('base64url')

const entryOf = (changes: Partial<RevocationEntry> = {}): RevocationEntry => ({
  kind: 'session',
  subject: unique(),
  validFrom: 0,
  expiresAt: Date.now() + 600_000,
  ...changes,
})

interface Told {
  readonly sequence: number
  readonly entry: RevocationEntry | undefined
  readonly after: number
}

/** Listens, and is sure to be listening. */
async function listen(log: RevocationLog) {
  const told: Told[] = []
  const echoes: [nonce: string, sequence: number][] = []
  const subscription: RevocationSubscription = log.subscribe({
    appended: (sequence, entry, after = sequence - 1) => told.push({ sequence, entry, after }),
    echoed: (nonce, sequence) => echoes.push([nonce, sequence]),
    broken: () => undefined,
  })
  cleanups.push(() => subscription.close())
  const echo = async (): Promise<number> => {
    const nonce = `${unique()}.1`
    const heard = () => echoes.find(([other]) => other === nonce)
    while (!heard()) {
      const isSent = await subscription.echo(nonce).then(
        () => true,
        () => false,
      )
      await until(() => heard() !== undefined, isSent ? 300 : 10).catch(() => undefined)
    }
    return heard()![1]
  }
  await echo()
  return { told, echo, entries: () => told.flatMap(({ entry }) => (entry ? [entry] : [])) }
}

for (const kind of revocationBackends) {
  describeWith(kind.servers, kind.name, () => {
    const [canBreak, canForget] = [kind.can.includes('break'), kind.can.includes('forget')]
    const canLoseServer = kind.can.includes('lose a server')
    let backend: RevocationBackend
    beforeAll(async () => {
      backend = await kind.start()
    }, 60_000)
    afterAll(() => backend?.close(), 60_000)

    async function createServer(options: RevocationsOptions = {}) {
      const { log, cutter } = await backend.open()
      const events: RevocationEvent[] = []
      const revocations = createRevocations(log, {
        bound: BOUND,
        onEvent: (event) => events.push(event),
        ...options,
      })
      cleanups.push(() => revocations.close())
      await revocations.ready
      return { revocations, events, cutter, log }
    }

    const isRevoked = ({ revocations }: Awaited<ReturnType<typeof createServer>>, sid: string) =>
      revocations.check({ sub: 'ada', sid, iat: Math.floor(Date.now() / 1_000) }) === 'revoked'

    it('tells every listener of every entry, in the order of their numbers', async () => {
      const [{ log }, { log: other }] = [await backend.open(), await backend.open()]
      const [here, there] = [await listen(log), await listen(other)]
      const added = Array.from({ length: 50 }, () => entryOf())

      await Promise.all(added.map((entry, index) => (index % 2 === 0 ? log : other).append(entry)))
      await Promise.all([here.echo(), there.echo()])

      expect(new Set(here.entries().map(({ subject }) => subject))).toEqual(
        new Set(added.map(({ subject }) => subject)),
      )
      const own = (told: readonly Told[]) => told.filter(({ entry }) => entry !== undefined)
      expect(own(there.told)).toEqual(own(here.told))
      for (const [index, { sequence, after }] of here.told.entries()) {
        if (index > 0) expect(after).toBe(here.told[index - 1]!.sequence)
        expect(sequence).toBeGreaterThan(after)
      }
    })

    it('gives a nonce back after everything that was added before, with its number', async () => {
      const [{ log }, { log: other }] = [await backend.open(), await backend.open()]
      const there = await listen(other)
      const entry = entryOf()
      await log.append(entry)

      const sequence = await there.echo()

      expect(there.entries()).toContainEqual(entry)
      expect(sequence).toBe(there.told.at(-1)?.sequence)
      expect((await log.snapshot()).sequence).toBeGreaterThanOrEqual(sequence)
    })

    it('has everything in a snapshot that has not expired, and nothing that has', async () => {
      const { log } = await backend.open()
      const now = await log.now()
      const live = entryOf({ kind: 'user', validFrom: 1_234_567_890 })
      const expired = entryOf({ expiresAt: now - 1 })
      await log.append(live)
      await log.append(expired)

      const { entries } = await log.snapshot()

      expect(entries).toContainEqual(live)
      expect(entries).not.toContainEqual(expired)
    })

    it.each([
      ['quotes and blanks', `a"b'c d\\e\n\t{}:*%`],
      ['NUL and lone surrogates', 'a\0b\ud800c\uffff'],
      ['other scripts', '서울 — Ωμέγα 🧥'],
      ['names of Object.prototype', '__proto__'],
      ['the longest subject', '가"'.repeat(512)],
    ])('keeps %s in a subject', async (_, subject) => {
      const [{ log }, { log: other }] = [await backend.open(), await backend.open()]
      const there = await listen(other)
      const entry = entryOf({ kind: 'user', subject, validFrom: 7 })

      await log.append(entry)
      await there.echo()

      expect(there.entries()).toContainEqual(entry)
      expect((await other.snapshot()).entries).toContainEqual(entry)
    })

    it('tells the time', async () => {
      const { log } = await backend.open()

      expect(Math.abs((await log.now()) - Date.now())).toBeLessThan(1_000)
    })

    it('carries what one server revokes to another, in no time', async () => {
      const [here, there] = [await createServer(), await createServer()]
      const sid = unique()

      await here.revocations.revokeSession(sid)
      const delay = await until(() => isRevoked(there, sid))
      await here.revocations.revokeUser('bob')

      expect(delay).toBeLessThan(BOUND)
      expect(isRevoked(there, unique())).toBe(false)
      await until(() => there.revocations.check({ sub: 'bob', iat: 0 }) === 'revoked')
    })

    it('carries many revocations of two servers at once, without reading everything again', async () => {
      // A lapse reads everything again too, and a busy machine has one within a second.
      const servers = [await createServer({ bound: '10s' }), await createServer({ bound: '10s' })]
      const snapshots = servers.map(({ revocations }) => revocations.stats.snapshots)
      const sids = Array.from({ length: 200 }, unique)

      await Promise.all(sids.map((sid, index) => servers[index % 2]!.revocations.revokeSession(sid)))

      await until(() => servers.every((server) => sids.every((sid) => isRevoked(server, sid))))
      await new Promise((resolve) => setTimeout(resolve, BOUND))
      expect(servers.map(({ revocations }) => revocations.stats.snapshots)).toEqual(snapshots)
      expect(servers.map(({ revocations }) => revocations.stats.live)).toEqual([true, true])
    })

    it('knows at once, when it starts, what was revoked before', async () => {
      const here = await createServer()
      const sid = unique()
      await here.revocations.revokeSession(sid)

      const late = await createServer()

      expect(isRevoked(late, sid)).toBe(true)
    })

    if (canBreak)
      it('refuses everything within the bound when the line falls silent, and is back when it heals', async () => {
        const [here, there] = [await createServer(), await createServer()]
        const sid = unique()

        there.cutter!.cut()
        const delay = await until(() => there.revocations.check({ sub: 'ada', iat: 9e9 }) === 'unknown')
        await here.revocations.revokeSession(sid)
        there.cutter!.heal()
        await until(() => there.revocations.check({ sub: 'ada', iat: 9e9 }) === 'valid')

        expect(delay).toBeLessThan(BOUND + 200)
        expect(isRevoked(there, sid)).toBe(true)
      })

    if (canBreak)
      it('misses nothing when connections break', async () => {
        const [here, there] = [await createServer(), await createServer()]
        const sids = Array.from({ length: 30 }, unique)

        for (const [index, sid] of sids.entries()) {
          if (index % 10 === 5) there.cutter!.sever()
          await here.revocations.revokeSession(sid)
        }

        await until(() => sids.every((sid) => isRevoked(there, sid)))
        await until(() => there.revocations.stats.live)
      })

    if (canBreak)
      it(
        'refuses everything while the back end is down, and remembers all of it afterwards',
        { timeout: 60_000 },
        async () => {
          const { engine } = backend
          const [here, there] = [await createServer(), await createServer()]
          const sid = unique()
          await here.revocations.revokeSession(sid)

          await engine!.kill()
          await expect(here.revocations.revokeSession(unique())).rejects.toMatchObject({
            code: 'ERR_STORE_UNAVAILABLE',
            message: expect.stringMatching(/revocation/),
          })
          await until(() => there.revocations.check({ sub: 'ada', iat: 9e9 }) === 'unknown')
          await engine!.start()
          await until(() => here.revocations.stats.live && there.revocations.stats.live, 20_000)

          expect([isRevoked(here, sid), isRevoked(there, sid)]).toEqual([true, true])
          const later = unique()
          await here.revocations.revokeSession(later)
          await until(() => isRevoked(there, later))
          expect(isRevoked(await createServer(), sid)).toBe(true)
        },
      )

    if (canLoseServer)
      it('remembers everything when another server takes over', { timeout: 90_000 }, async () => {
        const [here, there] = [await createServer(), await createServer()]
        const sids = Array.from({ length: 20 }, unique)
        for (const sid of sids) await here.revocations.revokeSession(sid)

        await backend.loseServer!()
        const later = unique()
        const startedAt = performance.now()
        const revoke = async (): Promise<void> => {
          while (performance.now() - startedAt < 60_000) {
            const isStored = await here.revocations.revokeSession(later).then(
              () => true,
              () => false,
            )
            if (isStored) return
            await new Promise((resolve) => setTimeout(resolve, 100))
          }
          throw new Error('No server took over within a minute')
        }
        await revoke()
        await until(() => isRevoked(there, later), 20_000)
        await until(() => there.revocations.stats.live && here.revocations.stats.live, 20_000)

        const fresh = await createServer()
        for (const server of [here, there, fresh]) {
          expect(sids.filter((sid) => !isRevoked(server, sid))).toEqual([])
        }
        expect(isRevoked(fresh, later)).toBe(true)
      })

    if (canForget)
      it('has everything again from its servers when it lost it', { timeout: 60_000 }, async () => {
        const { wipe } = backend
        const here = await createServer()
        const sid = unique()
        await here.revocations.revokeSession(sid)

        await wipe!()
        await until(() => here.events.some(({ type }) => type === 'restored'))

        expect(isRevoked(await createServer(), sid)).toBe(true)
        await until(() => here.revocations.stats.live)
      })
  })
}

describe('revocationBackends', () => {
  it('has every back end', () => {
    expect(revocationBackends).toHaveLength(12)
  })
})
