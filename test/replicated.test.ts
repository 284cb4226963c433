import { connect } from '@nats-io/transport-node'
import { jetstream, jetstreamManager } from '@nats-io/jetstream'
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { missingCapability, storeContract, type StoreTrial } from 'coatcheck/conformance'
import type { SessionRecord } from 'coatcheck'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import { createCutter } from '../lab/engines/cutter.ts'
import { missingServer } from '../lab/engines/installed.ts'
import { type Nats, startNats } from '../lab/engines/nats.ts'
import { type ReplicatedServer, report, startReplicatedServer } from './support/replicated-servers.ts'

const missing = missingServer('nats-server')
const isRequired = process.env['COATCHECK_REQUIRE_SERVERS'] === '1'
const isLong = process.env['COATCHECK_LONG'] === '1'
/** Age of a copy beyond which it must not be served, in milliseconds. */
const BOUND = 2_000
/** How long it is waited for another leader; how long it may take is held against the gap that the writers saw. */
const TAKEOVER = { timeout: 30_000, interval: 200 }
/** What a clock that is read before and after may add on a busy machine. */
const SLACK = 50

let nats: Nats
let buckets = 0

function mintKey(): string {
  return randomBytes(32).toString('base64url')
}

function recordOf(data: string, principal?: string): SessionRecord {
  const now = Date.now()
  return { data, principal, createdAt: now, lastSeenAt: now, expiresAt: now + 600_000 }
}

/** As many servers as NATS has, each on a NATS server of its own, in a bucket of their own. */
async function startServers(count = 3, bucket = `test-${(buckets += 1)}`): Promise<ReplicatedServer[]> {
  const servers: ReplicatedServer[] = []
  for (let index = 0; index < count; index++) {
    const first = nats.servers[index % 3] ?? ''
    const others = nats.servers.filter((address) => address !== first)
    servers.push(await startReplicatedServer({ servers: [first, ...others], noRandomize: true }, { bucket }))
  }
  onTestFinished(async () => void (await Promise.all(servers.map((server) => server.close()))))
  return servers
}

/** As the engine reads: from the copy where it may, else from the store. */
async function read({ store }: ReplicatedServer, key: string, floor = 0) {
  return store.copies.peek(key, Date.now(), floor) ?? (await store.read(key, floor))
}

async function written(result: ReturnType<ReplicatedServer['store']['create']>): Promise<number> {
  const told = await result
  if (told.outcome !== 'written') throw new Error(`The write was not stored: ${told.outcome}`)
  return told.version
}

async function createTrial(): Promise<StoreTrial> {
  const [one, other] = (await startServers(2, 'contract')) as [ReplicatedServer, ReplicatedServer]
  return {
    store: one.store,
    peer: other.store,
    now: Date.now,
    elapse: (milliseconds) => pause(milliseconds),
    async corrupt(key) {
      await jetstream(other.connection).publish(`$KV.contract.s.${key}`, 'not a record')
    },
    unplug: () => one.connection.close(),
  }
}

/** What an independent observer knows of one session: when which version was acknowledged. */
interface Account {
  readonly key: string
  readonly versions: { readonly version: number; readonly at: number; readonly data: string }[]
}

/**
 * Writes and reads on all servers until told to stop, and keeps an own account of what was acknowledged.
 *
 * @returns What was seen: the oldest read, and the longest time in which no write succeeded.
 */
function startLoad(servers: readonly ReplicatedServer[]) {
  const seen = { oldest: 0, gap: 0, reads: 0, local: 0, writes: 0, denied: 0 }
  const accounts: Account[] = Array.from({ length: 12 }, () => ({ key: mintKey(), versions: [] }))
  const load = { isRunning: true }
  let lastWrite = Date.now()

  async function write(account: Account, index: number): Promise<void> {
    for (let round = 0; load.isRunning; round++) {
      const server = servers[(index + round) % servers.length]
      if (!server) return
      const data = `${account.key.slice(0, 4)} ${round}`
      try {
        const current = account.versions.length === 0 ? undefined : await server.store.read(account.key)
        const version = current
          ? await server.store.write(account.key, current.version, recordOf(data))
          : await server.store.create(account.key, recordOf(data))
        if (version.outcome === 'written') {
          const at = Date.now()
          account.versions.push({ version: version.version, at, data })
          seen.gap = Math.max(seen.gap, at - lastWrite)
          lastWrite = at
          seen.writes += 1
        }
      } catch {
        seen.denied += 1
      }
      await pause(5)
    }
  }

  async function check(server: ReplicatedServer): Promise<void> {
    while (load.isRunning) {
      for (const { key, versions } of accounts) {
        const before = Date.now()
        const local = server.store.copies.peek(key, before, 0)
        const session = local ?? (await server.store.read(key).catch(() => undefined))
        if (!session) continue
        seen.reads += 1
        if (local) seen.local += 1
        const next = versions.find(({ version }) => version > session.version)
        if (next) seen.oldest = Math.max(seen.oldest, before - next.at)
      }
      await pause(2)
    }
  }

  const work = [...accounts.map(write), ...servers.map(check)]
  return {
    accounts,
    seen,
    async stop() {
      load.isRunning = false
      await Promise.all(work)
    },
  }
}

describe.skipIf(missing !== undefined && !isRequired)(
  `createReplicatedStore() on three NATS servers${missing === undefined ? '' : ` (${missing})`}`,
  () => {
    beforeAll(async () => {
      nats = await startNats()
    })
    afterAll(() => nats?.close())

    it.for(storeContract)('$title', async (clause, { skip }) => {
      const trial = await createTrial()
      const missing = missingCapability(clause, trial)
      if (missing !== undefined) skip(`needs ${missing}`)
      await clause.verify(trial)
    })

    it('reads on any server what was written on another, 10,000 times', async () => {
      const servers = await startServers()
      const keys = await Promise.all(
        Array.from({ length: 50 }, async () => {
          const key = mintKey()
          return {
            key,
            version: await written((servers[0] as ReplicatedServer).store.create(key, recordOf('0'))),
          }
        }),
      )
      let stale = 0
      let local = 0
      const pick = () => servers[Math.floor(Math.random() * servers.length)] as ReplicatedServer

      for (let round = 0; round < 10_000; round += keys.length) {
        await Promise.all(
          keys.map(async (session, index) => {
            const writer = pick()
            const data = `${round + index}`
            session.version = await written(writer.store.write(session.key, session.version, recordOf(data)))
            const stamp = writer.store.copies.stamp(session.key, session.version)
            const reader = pick()
            const floor = reader.store.copies.floor(session.key, stamp)
            const copy = reader.store.copies.peek(session.key, Date.now(), floor)
            if (copy) local += 1
            const found = copy ?? (await reader.store.read(session.key, floor))
            if (found?.data !== data) stale += 1
          }),
        )
      }

      const askedLeader = `${((10_000 - local) / 100).toFixed(1)} %`
      report({ experiment: 'random routing', rounds: 10_000, stale, askedLeader })
      expect(stale).toBe(0)
    })

    it('lets nobody in later than the bound after a revocation was acknowledged', async () => {
      const servers = await startServers()
      const rounds = isLong ? 1_000 : 100
      let late = 0
      let latest = 0

      for (let round = 0; round < rounds; round++) {
        const key = mintKey()
        await written((servers[0] as ReplicatedServer).store.create(key, recordOf('in')))
        let revokedAt = Number.POSITIVE_INFINITY
        const readers = servers.map(async (server) => {
          for (let tries = 0; tries < 40 || Date.now() < revokedAt; tries++) {
            const before = Date.now()
            if ((await read(server, key)) && before > revokedAt) {
              latest = Math.max(latest, before - revokedAt)
              if (before - revokedAt > BOUND) late += 1
            }
            await pause(0)
          }
        })
        await (servers[round % 3] as ReplicatedServer).store.delete(key)
        revokedAt = Date.now()
        await Promise.all(readers)
      }

      report({ experiment: 'revocation race', rounds, late, latest })
      expect(late).toBe(0)
    }, 400_000)

    it('deletes a session at once that every server writes without pause', async () => {
      const servers = await startServers()
      const rounds = isLong ? 200 : 30
      const times: number[] = []
      let writes = 0

      /** Writes on top of what is newest, until the session is gone. */
      async function writeOn({ store }: ReplicatedServer, key: string, created: number): Promise<void> {
        for (let version = created; ;) {
          const result = await store.write(key, version, recordOf('written'))
          if (result.outcome === 'gone') return
          if (result.outcome === 'written') {
            version = result.version
            writes += 1
          } else version = (await store.read(key))?.version ?? 0
        }
      }

      for (let round = 0; round < rounds; round++) {
        const key = mintKey()
        const [first] = servers as [ReplicatedServer]
        const version = await written(first.store.create(key, recordOf('in')))
        const writing = [...servers, ...servers].map((server) => writeOn(server, key, version))
        await pause(40)
        const began = performance.now()
        const deleted = await (servers[round % 3] as ReplicatedServer).store.delete(key)
        times.push(Math.round(performance.now() - began))
        expect(deleted?.key).toBe(key)
        await Promise.all(writing)
        expect(await first.store.read(key)).toBeUndefined()
      }

      times.sort((one, other) => one - other)
      report({ experiment: 'deletion race', rounds, writes, p50: times[rounds >> 1], max: times.at(-1) })
      expect(writes).toBeGreaterThan(rounds)
      expect(times.at(-1), 'the engine waits for half a second').toBeLessThan(500)
    }, 60_000)

    it('loses no acknowledged write and serves nothing older than the bound when the leader is killed', async () => {
      for (let run = 0; run < (isLong ? 10 : 1); run++) {
        const servers = await startServers()
        const load = startLoad(servers)
        await pause(2_000)
        const manager = await jetstreamManager((servers[0] as ReplicatedServer).connection)
        const { cluster } = await manager.streams.info(`KV_test-${buckets}`)
        const leader = nats.engines.find(({ name }) => name === cluster?.leader)

        await leader?.kill()
        const before = load.seen.writes
        // Until another leads: then they write again, and what they were told is held against what is read.
        await expect.poll(() => load.seen.writes, TAKEOVER).toBeGreaterThan(before + 200)
        await leader?.start()
        await pause(4_000)
        await load.stop()

        const lost: string[] = []
        for (const { key, versions } of load.accounts) {
          const last = versions.at(-1)
          const found = await (servers[1] as ReplicatedServer).store.read(key)
          // A write that was not acknowledged may have been stored; an acknowledged one must have been.
          if (last && (!found || found.version < last.version)) lost.push(key)
        }
        const watches = servers.map(({ store }) => store.stats().watches)
        report({ experiment: 'leader killed', run, lost: lost.length, ...load.seen, watches })
        expect(leader).toBeDefined()
        expect(lost).toEqual([])
        expect(load.seen.oldest).toBeLessThanOrEqual(BOUND + SLACK)
        expect(load.seen.gap).toBeLessThanOrEqual(15_000)
        expect(load.seen.local).toBeGreaterThan(1_000)
      }
    }, 400_000)

    it('answers within the bound when it is cut off, denies afterwards, and is right soon after healing', async () => {
      const port = Number(new URL(nats.servers[1] ?? '').port)
      const cutter = await createCutter({ host: '127.0.0.1', port })
      onTestFinished(() => cutter.close())
      const [healthy] = (await startServers(1)) as [ReplicatedServer]
      const cut = await startReplicatedServer(
        { servers: `127.0.0.1:${cutter.port}`, ignoreClusterUpdates: true },
        { bucket: `test-${buckets}` },
      )
      onTestFinished(() => cut.close())
      const key = mintKey()
      const version = await written(healthy.store.create(key, recordOf('before')))
      await expect.poll(() => cut.store.copies.peek(key, Date.now(), version)?.data).toBe('before')

      cutter.cut()
      const cutAt = Date.now()
      const within = await read(cut, key)
      await healthy.store.write(key, version, recordOf('after'))
      let servedUntil = cutAt
      while (cut.store.copies.peek(key, Date.now(), 0)) {
        servedUntil = Date.now()
        await pause(5)
      }
      await expect(cut.store.read(key)).rejects.toThrow('majority')
      await pause(3_000)
      await expect(cut.store.read(key)).rejects.toThrow('majority')
      cutter.heal()
      const healedAt = Date.now()
      await expect
        .poll(() => cut.store.copies.peek(key, Date.now(), 0)?.data, { timeout: 10_000, interval: 20 })
        .toBe('after')

      const rightAfter = Date.now() - healedAt
      report({ experiment: 'cut off', served: servedUntil - cutAt, rightAfter })
      expect(within?.data).toBe('before')
      expect(servedUntil - cutAt).toBeLessThanOrEqual(BOUND + SLACK)
      expect(rightAfter).toBeLessThanOrEqual(2_000)
    })

    it('is not ready before it holds every session', async () => {
      const count = isLong ? 100_000 : 5_000
      const [first] = (await startServers(1)) as [ReplicatedServer]
      for (let index = 0; index < count; index += 50) {
        await Promise.all(
          Array.from({ length: 50 }, (_, offset) =>
            first.store.create(mintKey(), recordOf('x'.repeat(300), `user-${index + offset}`)),
          ),
        )
      }
      globalThis.gc?.()
      const memory = process.memoryUsage().rss

      const began = performance.now()
      const [late] = (await startServers(1, `test-${buckets}`)) as [ReplicatedServer]

      const { sessions, copyBytes } = late.store.stats()
      const time = Math.round(performance.now() - began)
      const rss = process.memoryUsage().rss - memory
      report({ experiment: 'late joiner', count, sessions, time, copyBytes, rss })
      expect(sessions).toBe(count)
      expect(late.store.copies.peek(mintKey(), Date.now(), 0)).toBeUndefined()
    }, 300_000)

    it('refuses a bucket that would break its promises, and says why', async () => {
      const connection = await connect({ servers: nats.servers[0] ?? '' })
      onTestFinished(() => connection.close())
      const manager = await jetstreamManager(connection)
      await manager.streams.add({
        name: 'KV_loose',
        subjects: ['$KV.loose.>'],
        allow_direct: true,
        max_msgs_per_subject: 5,
        num_replicas: 1,
      })

      const { createNatsLog } = await import('coatcheck/stores/replicated')
      const reading = createNatsLog(connection, { bucket: 'loose' }).get('secret')

      await expect(reading).rejects.toThrow(/allow_direct.*history.*1 replicas instead of 3/)
    })
  },
)
