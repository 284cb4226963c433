import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import pg from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { ServerName } from '../../lab/engines/installed.ts'
import { startPostgres } from '../../lab/engines/postgres.ts'
import { startRedis } from '../../lab/engines/redis.ts'
import { describeWith } from '../../test/support/engines.ts'
import { openNodeRedis } from '../../test/support/redis-connections.ts'
import { createPostgresStore, migratePostgresStore } from '../stores/postgres.ts'
import { createRedisStore } from '../stores/redis.ts'
import { createMemoryStore } from '../stores/memory.ts'
import type { IndexedSessionStore } from '../stores/store.ts'
import { createRefreshSigner, parseRefreshToken } from './refresh/token.ts'
import { toFamily } from './refresh/family.ts'
import { createRefreshTokens, type RefreshEvent, type RefreshResult, type RefreshTokens } from './refresh.ts'
import { createRevocations, type Revocations } from './revocations.ts'
import { createMemoryRevocationLog } from './revocations/memory.ts'

const GRACE = 30_000
const IDLE = 600_000
const ABSOLUTE = 1_800_000
const KEYS = [randomBytes(32), randomBytes(32)] as const

interface Backend {
  readonly store: IndexedSessionStore
}

const BACKENDS: readonly {
  readonly name: string
  readonly servers: readonly ServerName[]
  readonly runs: number
  open(): Promise<Backend & { close(): unknown }>
}[] = [
  {
    name: 'memory',
    servers: [],
    runs: 300,
    open: async () => ({
      store: { ...createMemoryStore(), now: async () => Date.now() },
      close: () => undefined,
    }),
  },
  {
    name: 'Redis',
    servers: ['redis-server'],
    runs: 60,
    async open() {
      const server = await startRedis()
      const { client, close } = await openNodeRedis(server.url)
      return {
        store: createRedisStore(client, { prefix: 'refresh:' }),
        async close() {
          close()
          await server.close()
        },
      }
    },
  },
  {
    name: 'PostgreSQL',
    servers: ['postgresql'],
    runs: 40,
    async open() {
      const server = await startPostgres()
      const pool = new pg.Pool({ connectionString: server.url, max: 6 })
      pool.on('error', () => undefined)
      await migratePostgresStore(pool, { tableName: 'refresh_tokens' })
      return {
        store: createPostgresStore(pool, { tableName: 'refresh_tokens' }),
        async close() {
          await pool.end()
          await server.close()
        },
      }
    },
  },
]

type Command =
  /** So many presenters at once of the token that is so many steps old; -1 is one that nobody was given. */
  | { readonly type: 'present'; readonly age: number; readonly presenters: number }
  /** Tokens of several ages at once, in any order. */
  | { readonly type: 'mix'; readonly ages: readonly number[] }
  | { readonly type: 'elapse'; readonly milliseconds: number }
  | { readonly type: 'revoke'; readonly age: number }
  | { readonly type: 'forge'; readonly at: number }

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constant('present' as const),
      age: fc.oneof(
        { weight: 8, arbitrary: fc.nat(1) },
        { weight: 1, arbitrary: fc.integer({ min: -1, max: 3 }) },
      ),
      presenters: fc.integer({ min: 1, max: 6 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      type: fc.constant('mix' as const),
      ages: fc.array(fc.nat(2), { minLength: 2, maxLength: 8 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant('elapse' as const),
      milliseconds: fc.constantFrom(1, 1_000, GRACE - 2_000, GRACE, IDLE / 3, IDLE),
    }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('revoke' as const), age: fc.nat(2) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forge' as const), at: fc.nat(40) }) },
)

/** What should be so, told without a store. */
interface Model {
  generation: number
  rotatedAt: number
  idleExpiresAt: number
  readonly absoluteExpiresAt: number
  state: 'active' | 'ended' | 'expired'
}

function expectOf(model: Model, generation: number, now: number): 'step' | 'repeat' | 'reuse' | 'refuse' {
  if (generation > model.generation || model.state !== 'active') return 'refuse'
  if (now >= model.idleExpiresAt || now >= model.absoluteExpiresAt) return 'refuse'
  if (generation === model.generation) return 'step'
  return generation === model.generation - 1 && now < model.rotatedAt + GRACE ? 'repeat' : 'reuse'
}

/** Three servers on one store, one of which is in the middle of a change of keys. Their own clocks are nonsense. */
async function play(backend: Backend, revocations: Revocations, commands: readonly Command[]): Promise<void> {
  const { store } = backend
  const nonsense = () => Math.floor(Math.random() * 1e13)
  const base = await store.now!()
  let time = base
  let writes = 0
  const events: RefreshEvent[] = []
  const shared: IndexedSessionStore = {
    ...store,
    // The test's own time, so that instants are exact. The store's records end by its real clock, hours later.
    now: async () => time,
    async write(...call) {
      const result = await store.write(...call)
      if (result.outcome === 'written') writes++
      return result
    },
  }
  const server = (keys: readonly Uint8Array[]): RefreshTokens =>
    createRefreshTokens(shared, {
      keys,
      revocations,
      grace: GRACE,
      idleTimeout: IDLE,
      absoluteTimeout: ABSOLUTE,
      timeout: 5_000,
      now: nonsense,
      onEvent: (event) => events.push(event),
    })
  const servers = [server(KEYS), server(KEYS.toReversed()), server(KEYS)]
  const pick = (index: number) => servers[index % servers.length]!
  const { refreshToken, handle, claims } = await servers[0]!.start({ sub: 'ada' })
  const name = parseRefreshToken(refreshToken)!.family
  const signers = KEYS.map((key) => createRefreshSigner([key]))
  const tokens = new Map([[1, refreshToken]])
  const model: Model = {
    generation: 1,
    rotatedAt: time,
    idleExpiresAt: time + IDLE,
    absoluteExpiresAt: time + ABSOLUTE,
    state: 'active',
  }

  const stored = async () => {
    const record = await store.read(handle)
    return record && toFamily(record)
  }

  /** The token of a generation: the one that was given out, or what the holder of a key would make up. */
  async function tokenOf(generation: number): Promise<string> {
    const { salt = '' } = (await stored()) ?? {}
    return (
      tokens.get(generation) ?? signers[0]!.sign(name, { generation, salt, signedBy: signers[0]!.signsWith })!
    )
  }

  function step(results: readonly RefreshResult[]): void {
    const successors = new Set(results.map((result) => (result.ok ? result.refreshToken : result.reason)))
    expect(successors.size).toBe(1)
    expect(results[0]).toMatchObject({ ok: true, claims, absoluteExpiresAt: model.absoluteExpiresAt })
    model.generation++
    model.rotatedAt = time
    model.idleExpiresAt = time + IDLE
    tokens.set(model.generation, [...successors][0]!)
  }

  async function present(generation: number, presenters: number): Promise<void> {
    const token = await tokenOf(generation)
    const before = await stored()
    const expected = expectOf(model, generation, time)
    writes = 0
    const results = await Promise.all(
      Array.from({ length: presenters }, (_, index) => pick(index).rotate(token)),
    )
    switch (expected) {
      case 'step':
        step(results)
        expect(writes).toBe(1)
        return
      case 'repeat':
        for (const result of results) {
          expect(result).toMatchObject({ ok: true, refreshToken: tokens.get(model.generation) })
        }
        expect(writes).toBe(0)
        expect(await stored()).toEqual(before)
        return
      case 'reuse':
        expect(results.every((result) => !result.ok)).toBe(true)
        expect(events.filter(({ type }) => type === 'reuse')).toHaveLength(1)
        model.state = 'ended'
        return
      case 'refuse':
        expect(results.every((result) => !result.ok)).toBe(true)
        expect(writes).toBe(0)
        expect(await stored()).toEqual(before)
    }
  }

  async function mix(ages: readonly number[]): Promise<void> {
    const generations = ages.map((age) => model.generation - age).filter((generation) => generation > 0)
    const given = await Promise.all(generations.map(tokenOf))
    const before = model.generation
    const isOpen = expectOf(model, before, time) === 'step'
    const results = await Promise.all(given.map((token, index) => pick(index).rotate(token)))
    const family = await stored()

    const fresh = results.flatMap((result) =>
      result.ok && result.refreshToken !== tokens.get(before) ? [result.refreshToken] : [],
    )
    expect(new Set(fresh).size).toBeLessThanOrEqual(1)
    if (!isOpen) expect(results.every((result) => !result.ok)).toBe(true)
    if (!family) return
    expect(family.generation - before).toBe(fresh.length > 0 ? 1 : family.generation - before)
    expect(family.generation - before).toBeLessThanOrEqual(1)
    model.generation = family.generation
    model.rotatedAt = family.rotatedAt
    model.idleExpiresAt = family.idleExpiresAt
    if (fresh.length > 0) tokens.set(model.generation, fresh[0]!)
    else if (family.generation > before) tokens.set(model.generation, await tokenOf(model.generation))
    if (family.state !== 'active') model.state = 'ended'
  }

  for (const command of commands) {
    switch (command.type) {
      case 'present': {
        const generation = model.generation - command.age
        if (generation > 0) await present(generation, command.presenters)
        break
      }
      case 'mix':
        await mix(command.ages)
        break
      case 'elapse':
        time += command.milliseconds
        break
      case 'revoke': {
        const generation = model.generation - command.age
        if (generation < 1) break
        expect(await pick(command.age).revoke(await tokenOf(generation))).toBe(model.state === 'active')
        model.state = 'ended'
        break
      }
      case 'forge': {
        const [family, generation, mac] = (await tokenOf(model.generation)).split('.') as [
          string,
          string,
          string,
        ]
        const at = command.at
        const other = mac[at] === 'A' ? 'B' : 'A'
        const forged = `${family}.${generation}.${mac.slice(0, at)}${other}${mac.slice(at + 1)}`
        const before = await stored()
        expect(await pick(at).rotate(forged)).toEqual({ ok: false, reason: 'forged' })
        expect(await stored()).toEqual(before)
      }
    }

    const family = await stored()
    // One tip, and it never goes back; the absolute end never moves; what has ended stays ended, and is denied.
    expect(family).toMatchObject({
      generation: model.generation,
      absoluteExpiresAt: model.absoluteExpiresAt,
      state: model.state === 'ended' ? 'revoked' : 'active',
    })
    const status = revocations.check({ ...claims, iat: Math.floor(base / 1000) + 3_600 })
    expect(status).toBe(model.state === 'ended' ? 'revoked' : 'valid')
  }
  for (const refresh of servers) refresh.close()
}

for (const { name, servers, open, runs } of BACKENDS) {
  describeWith(servers, `createRefreshTokens() on ${name}`, () => {
    let backend: Awaited<ReturnType<typeof open>>
    let revocations: Revocations

    beforeAll(async () => {
      backend = await open()
      revocations = createRevocations(createMemoryRevocationLog(), { bound: '60s' })
      await revocations.ready
    }, 60_000)

    afterAll(async () => {
      await revocations?.close()
      await backend?.close()
    })

    it('keeps its invariants, whoever presents what and when', { timeout: 120_000 }, async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 25 }), (commands) =>
          play(backend, revocations, commands),
        ),
        { numRuns: runs },
      )
    })
  })
}
