import { randomBytes } from 'node:crypto'
import { Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest'
import type { EngineGroup } from '../../lab/engines/group.ts'
import { startMemcached } from '../../lab/engines/memcached.ts'
import { describeWith } from '../../test/support/engines.ts'
import { FakeExchange } from '../../test/support/session-trial.ts'
import { missingCapability, storeContract, type StoreTrial } from '../conformance/store-contract.ts'
import { createSessions } from '../session/sessions.ts'
import { createMemcachedClient, createMemcachedStore } from './memcached.ts'
import { epochId, sessionItem } from './memcached/items.ts'
import { createPlacement } from './memcached/placement.ts'
import { CorruptRecordError } from './store.ts'
import { recordNow } from '../../test/support/records.ts'

const DAY = 86_400_000

const mintKey = () => randomBytes(32).toString('base64url')
const addressesOf = ({ engines }: EngineGroup) => engines.map(({ port }) => `127.0.0.1:${port}`)

function createSignal() {
  let give: () => void = () => undefined
  const given = new Promise<void>((resolve) => {
    give = resolve
  })
  return { given, give: () => give() }
}

describeWith(['memcached'], 'createMemcachedStore()', () => {
  let group: EngineGroup
  beforeAll(async () => {
    group = await startMemcached({ nodes: 2 })
  })
  afterAll(() => group.close())

  /** Two servers' stores on the same nodes; `elapse` really waits. */
  function createTrial(after: (cleanup: () => void) => unknown = onTestFinished) {
    // Deadlines have tests of their own; a busy machine is not what these are about.
    const patient = { commandTimeout: 5_000, connectTimeout: 5_000 }
    const [own, other] = [
      createMemcachedClient(addressesOf(group), patient),
      createMemcachedClient(addressesOf(group), patient),
    ]
    after(() => {
      own.close()
      other.close()
    })
    const prefix = `${randomBytes(6).toString('hex')}:`
    return {
      client: own,
      prefix,
      store: createMemcachedStore(own, { prefix }),
      peer: createMemcachedStore(other, { prefix }),
      now: Date.now,
      elapse: (milliseconds: number) => delay(milliseconds),
      corrupt: async (key: string) => {
        const node = other.nodes[createPlacement(addressesOf(group))(key)]
        await node?.meta(`ms ${sessionItem(prefix, key)} 7`, Buffer.from('rubbish'))
      },
      unplug: async () => own.close(),
    } satisfies StoreTrial & Record<string, unknown>
  }

  describe.concurrent('keeps the contract', () => {
    it.for(storeContract)('$title', async (clause, context) => {
      const trial = createTrial((cleanup) => context.onTestFinished(cleanup))
      const missing = missingCapability(clause, trial)
      if (missing !== undefined) context.skip(`needs ${missing}`)
      await clause.verify(trial)
    })
  })

  it('leaves out of the contract what memcached cannot do, and nothing else', () => {
    const trial = createTrial()

    const missing = new Set(storeContract.map((clause) => missingCapability(clause, trial)))

    expect(missing).toEqual(new Set([undefined, 'list', 'sweep', 'jump']))
  })

  it('keeps 200 parallel additions of two session managers', async () => {
    const { store, peer } = createTrial()
    const [here, there] = [createSessions<{ count: number }>(store), createSessions<{ count: number }>(peer)]
    const visit = async (sessions: typeof here, cookie?: string) => {
      const exchange = new FakeExchange(cookie === undefined ? {} : { cookie })
      sessions.attach(exchange, exchange)
      return { exchange, session: await sessions.load(exchange) }
    }
    const { exchange, session } = await visit(here)
    session.set('count', 0)
    await exchange.end()
    const cookie = exchange.cookies[0]?.split(';')[0] ?? ''

    await Promise.all(
      Array.from({ length: 200 }, async (_, index) => {
        const own = await visit(index % 2 === 0 ? here : there, cookie)
        await own.session.update('count', (count = 0) => count + 1)
        await own.exchange.end()
      }),
    )

    const last = await visit(there, cookie)
    expect(last.session.get('count')).toBe(200)
  })

  it('lets no session come back when eight tight writers race its deletion', async () => {
    const { store, peer } = createTrial()
    let revived = 0

    for (let round = 0; round < 60; round++) {
      const key = mintKey()
      await store.create(key, recordNow({ principal: 'ada' }))
      let deleted = false
      const writers = Array.from({ length: 8 }, async (_, index) => {
        const own = index % 2 === 0 ? store : peer
        for (let times = 0; times < 500; times++) {
          const session = await own.read(key)
          if (!session && deleted) return
          if (session) await own.write(key, session.version, { ...session, data: String(index) })
        }
      })
      await delay(2)
      if (!(await peer.delete(key))) throw new Error('The session was not there')
      deleted = true
      await Promise.all(writers)
      if ((await store.read(key)) || (await peer.read(key))) revived++
    }

    expect(revived).toBe(0)
  }, 60_000)

  it.each([
    ['nobody', ''],
    ['another user', 'eve'],
  ])('ends what a write leaves to %s when the user was revoked before it', async (_whom, principal) => {
    const { store, peer } = createTrial()
    const key = mintKey()
    await store.create(key, recordNow({ principal: 'ada' }))

    await peer.revokeAll('ada')
    const left = await store.write(key, 1, recordNow({ principal }))

    expect(left).toEqual({ outcome: 'gone' })
    expect(await store.read(key)).toBeUndefined()
    expect(await peer.read(key)).toBeUndefined()
  })

  it('ends what a write leaves to another user when the user is revoked while it is under way', async () => {
    const { client, prefix, peer } = createTrial()
    const key = mintKey()
    const [reached, open] = [createSignal(), createSignal()]
    // The write has asked for the epoch, which lasts, and its record comes late.
    const nodes = client.nodes.map((node) => ({
      ...node,
      facts: node.facts,
      async meta(command: string, value?: Buffer) {
        if (command.startsWith(`ms ${prefix}s:`) && command.includes(' C')) {
          reached.give()
          await open.given
        }
        return node.meta(command, value)
      },
    }))
    const store = createMemcachedStore({ nodes }, { prefix })
    await store.create(key, recordNow({ principal: 'ada' }))

    const writing = store.write(key, 1, recordNow({ principal: 'eve' }))
    await reached.given
    await peer.revokeAll('ada')
    open.give()

    expect(await writing).toEqual({ outcome: 'gone' })
    expect(await peer.read(key)).toBeUndefined()
  })

  it('lets a session move to no node where its user is revoked already', async () => {
    const { client, prefix, store } = createTrial()
    const [ended, open] = [createSignal(), createSignal()]
    const [first = '', second = ''] = client.nodes.map(({ name }) => name)
    const placement = createPlacement(addressesOf(group))
    const mintKeyOn = (index: number) => {
      for (;;) {
        const key = mintKey()
        if (placement(key) === index) return key
      }
    }
    const [old, moved] = [mintKeyOn(0), mintKeyOn(1)]
    let deletions = 0
    const nodes = client.nodes.map((node) => ({
      ...node,
      facts: node.facts,
      async meta(command: string, value?: Buffer) {
        const isEnd = command.startsWith(`md ${prefix}e:`)
        if (isEnd && node.name === first && deletions++ === 0) await open.given
        const reply = await node.meta(command, value)
        if (isEnd && node.name === second) ended.give()
        return reply
      },
    }))
    const slow = createMemcachedStore({ nodes }, { prefix })
    await store.create(old, recordNow({ principal: 'ada' }))
    await store.create(mintKeyOn(1), recordNow({ principal: 'ada' }))

    const revoking = slow.revokeAll('ada')
    await ended.given
    // What the engine does to give a session a new id.
    await store.create(moved, recordNow({ principal: 'ada' }))
    const retired = await store.write(old, 1, recordNow({ principal: '' }))
    open.give()
    await revoking

    expect(retired.outcome).toBe('written')
    expect(await store.read(moved)).toBeUndefined()
  })

  it('keeps the session that stays through a revocation that comes between the two steps of another', async () => {
    const { client, prefix, peer } = createTrial()
    const key = mintKey()
    await peer.create(key, recordNow({ principal: 'ada' }))
    /** A store whose swap of the epoch waits to be let through. */
    const createHeld = () => {
      const [reached, open] = [createSignal(), createSignal()]
      const nodes = client.nodes.map((node) => ({
        ...node,
        facts: node.facts,
        async meta(command: string, value?: Buffer) {
          if (command.startsWith(`ms ${prefix}e:`) && command.includes(' C')) {
            reached.give()
            await open.given
          }
          return node.meta(command, value)
        },
      }))
      return { store: createMemcachedStore({ nodes }, { prefix }), reached: reached.given, open: open.give }
    }
    const [one, other] = [createHeld(), createHeld()]

    const first = one.store.revokeAll('ada', key)
    await one.reached
    const second = other.store.revokeAll('ada', key)
    await other.reached
    one.open()
    await first
    const between = await peer.read(key)
    other.open()
    await second

    expect(between?.key).toBe(key)
    expect((await peer.read(key))?.key).toBe(key)
  })

  it("takes a user's sessions for gone when memcached has dropped the item of the user", async () => {
    const { store, peer, client, prefix } = createTrial()
    const key = mintKey()
    await store.create(key, recordNow({ principal: 'ada' }))

    for (const node of client.nodes) await node.meta(`md ${prefix}e:${epochId('ada')}`)
    const missed = await store.read(key)
    await Promise.all(
      Array.from({ length: 8 }, () => store.create(mintKey(), recordNow({ principal: 'ada' }))),
    )

    expect(missed).toBeUndefined()
    expect(await store.read(key)).toBeUndefined()
    expect(await peer.read(key)).toBeUndefined()
  })

  it('sends what is asked in one turn in one write for each server', async () => {
    const { store } = createTrial()
    const keys = Array.from({ length: 50 }, mintKey)
    for (const key of keys) await store.create(key, recordNow({ principal: 'ada' }))
    const writes = vi.spyOn(Socket.prototype, 'uncork')
    onTestFinished(() => writes.mockRestore())

    const sessions = await Promise.all(keys.map((key) => store.read(key)))

    expect(sessions.every((session) => session?.principal === 'ada')).toBe(true)
    expect(writes).toHaveBeenCalledTimes(2)
  })

  it('tells that a session is larger than an item may be, and keeps what was there', async () => {
    const { store } = createTrial()
    const key = mintKey()
    await store.create(key, recordNow({ data: 'small' }))

    const writing = store.write(key, 1, recordNow({ data: 'x'.repeat(1_048_576) }))

    await expect(writing).rejects.toThrow(RangeError)
    await expect(writing).rejects.toThrow(/end at 1048576: keep what is large elsewhere/)
    expect((await store.read(key))?.data).toBe('small')
  })

  it('sets a damaged record aside exactly once', async () => {
    const { store, peer, corrupt } = createTrial()
    const key = mintKey()
    await store.create(key, recordNow({ principal: 'ada' }))
    await corrupt(key)

    await expect(store.read(key)).rejects.toThrow(CorruptRecordError)
    const told = await Promise.all([store, peer, store, peer].map((own) => own.quarantine(key)))

    expect(told.filter(Boolean)).toHaveLength(1)
    expect(await peer.read(key)).toBeUndefined()
  })

  it('keeps data and users that UTF-8 would not give back', async () => {
    const { store } = createTrial()
    const key = mintKey()
    const record = recordNow({ data: 'a\ud800b\0\r\nEN\r\n', principal: '\udc00\n' })

    await store.create(key, record)
    await store.revokeAll('\udc01\n')

    expect(await store.read(key)).toEqual({ ...record, key, version: 1 })
  })

  it('has memcached keep sessions of 29, 30, 31 and 400 days for as long', async () => {
    const { store, client, prefix } = createTrial()
    const placement = createPlacement(addressesOf(group))

    for (const days of [29, 30, 31, 400]) {
      const key = mintKey()
      await store.create(key, recordNow({ expiresAt: Date.now() + days * DAY, principal: `of ${days}` }))
      const reply = await client.nodes[placement(key)]?.meta(`mg ${sessionItem(prefix, key)} t`)

      const more = Number(/ t(-?\d+)/.exec(reply?.line ?? '')?.[1]) - days * 86_400
      expect(more).toBeGreaterThanOrEqual(0)
      expect(more).toBeLessThanOrEqual(4)
      expect(await store.read(key)).toBeDefined()
    }
  })

  it('goes by the clock of the servers when its own is minutes off, and by its own when they agree', async () => {
    const { client } = createTrial()
    const wrong = createMemcachedStore(client, { now: () => Date.now() + 300_000 })
    const right = createMemcachedStore(client)

    const [told, plain] = [await wrong.now(), await right.now()]

    expect(Math.abs(told - Date.now())).toBeLessThan(2_500)
    expect(Math.abs(plain - Date.now())).toBeLessThan(100)
  })

  it('tells how full the servers are', async () => {
    const { store } = createTrial()
    await store.create(mintKey(), recordNow())

    const stats = await store.stats()

    expect(stats.map(({ name, reachable }) => [name, reachable])).toEqual(
      addressesOf(group).map((name) => [name, true]),
    )
    expect(stats[0]?.maxBytes).toBe(64 * 1_024 * 1_024)
    expect(stats.reduce((sum, { items }) => sum + items, 0)).toBeGreaterThan(0)
  })

  it.each([
    [{ prefix: 'a b' }, /prefix/],
    [{ prefix: 'x'.repeat(101) }, /prefix/],
    [{ maxKnown: -1 }, /maxKnown/],
  ])('refuses options out of range: %j', (options, message) => {
    const { client } = createTrial()

    expect(() => createMemcachedStore(client, options)).toThrow(message)
  })
})
