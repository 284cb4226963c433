import pg from 'pg'
import postgres from 'postgres'
import { afterAll, beforeAll, expect, it, onTestFinished, vi } from 'vitest'
import { startPostgres, type Postgres } from '../../../lab/engines/postgres.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { userNow } from '../../../test/support/records.ts'
import { createPostgresRevocationLog, migratePostgresRevocations } from '../../tokens/revocations/postgres.ts'
import { createNearCache, type NearCachedStore } from '../near-cache.ts'
import {
  checkPostgresStore,
  createPostgresInvalidations,
  createPostgresStore,
  migratePostgresStore,
  type PostgresClient,
  type PostgresConnect,
  type PostgresStore,
} from '../postgres.ts'
import { StoreUnavailableError } from '../store.ts'

/** For how long a copy may be behind, in milliseconds. */
const BOUND = 500

describeWith(['postgresql', 'pgbouncer'], 'createPostgresStore() behind a pooler in transaction mode', () => {
  let server: Postgres

  beforeAll(async () => {
    server = await startPostgres({ pooler: 'transaction' })
  }, 60_000)

  afterAll(async () => {
    await server?.close()
  })

  /** More connections than the pooler has, so that each statement may meet another one. */
  function connect(kind: 'pg' | 'postgres'): PostgresClient {
    const url = server.poolerUrl ?? ''
    if (kind === 'pg') {
      const pool = new pg.Pool({ connectionString: url, max: 8, connectionTimeoutMillis: 5_000 })
      onTestFinished(() => pool.end())
      return pool
    }
    const sql = postgres(url, { max: 8, fetch_types: false, connect_timeout: 5 })
    onTestFinished(() => sql.end({ timeout: 0 }))
    return sql
  }

  function connectTo(kind: 'pg' | 'postgres', url: string): PostgresConnect {
    return (options) => (kind === 'pg' ? new pg.Client({ connectionString: url }) : postgres(url, options))
  }

  /** A near cache whose feed goes through a pooler. */
  function cacheThrough(
    kind: 'pg' | 'postgres',
    url: string,
    store: PostgresStore,
    onLapse = () => undefined as unknown,
  ): NearCachedStore<PostgresStore> {
    const feed = createPostgresInvalidations(connectTo(kind, url))
    const cached = createNearCache(store, feed, { bound: BOUND, onLapse })
    onTestFinished(() => cached.close())
    return cached
  }

  /** Reads a session for a while, so that there is a copy of it as soon as that may be kept. */
  async function fillFor(cached: NearCachedStore<PostgresStore>, key: string, time: number): Promise<number> {
    const until = performance.now() + time
    let served = 0
    while (performance.now() < until) {
      if (cached.copies.peek(key, Date.now(), 0)) served += 1
      else await cached.read(key)
      await new Promise((resolve) => setTimeout(resolve, 10))
    }
    return served
  }

  /** The life of one session. */
  async function live(store: PostgresStore, key: string): Promise<unknown> {
    const record = userNow({ data: '{"a":{}}' })
    const created = await store.create(key, record)
    const read = await store.read(key)
    const written = await store.write(key, read?.version ?? 0, { ...record, data: '{"a":{"n":1}}' })
    const isTouched = await store.touch(key, record.lastSeenAt + 1, record.expiresAt + 1)
    const deleted = await store.delete(key)
    return [created.outcome, written.outcome, isTouched, deleted?.data]
  }

  it.for(['pg', 'postgres'] as const)('keeps sessions without prepared statements, by %s', async (kind) => {
    const client = connect(kind)
    await migratePostgresStore(client)
    const store = createPostgresStore(client, { prepare: false })
    const keys = Array.from({ length: 300 }, (_, at) => `${kind}-${at}`)

    const warnings = await checkPostgresStore(client)
    const lives = await Promise.all(
      keys.map(async (key, at) => {
        // Not all in one turn of the event loop, where they would share statements.
        await new Promise((resolve) => setTimeout(resolve, at % 40))
        return live(store, key)
      }),
    )
    const swept = await store.sweep?.(100)

    expect(lives).toEqual(keys.map(() => ['written', 'written', true, '{"a":{"n":1}}']))
    expect(await store.list('ada')).toEqual([])
    expect([warnings, swept]).toEqual([[], []])
  })

  it.for(['pg', 'postgres'] as const)(
    'never serves what another server has ended when the feed goes through it, by %s',
    async (kind) => {
      const direct = new pg.Pool({ connectionString: server.url })
      onTestFinished(() => direct.end())
      await migratePostgresStore(direct, { notify: true })
      const elsewhere = createPostgresStore(direct)
      const pooled = createPostgresStore(connect('pg'), { prepare: false })
      let lapses = 0
      const cached = cacheThrough(kind, server.poolerUrl ?? '', pooled, () => (lapses += 1))
      const session = await cached.create(`ended-${kind}`, userNow())
      await fillFor(cached, `ended-${kind}`, 1_500)

      await elsewhere.delete(`ended-${kind}`)
      const endedAt = performance.now()
      const served: number[] = []
      while (performance.now() < endedAt + 2_500) {
        if (cached.copies.peek(`ended-${kind}`, Date.now(), 0)) served.push(performance.now() - endedAt)
        await new Promise((resolve) => setTimeout(resolve, 10))
      }

      expect(session.outcome).toBe('written')
      expect(served.filter((after) => after > BOUND)).toEqual([])
      expect(lapses).toBe(1)
    },
  )

  it.for(['pg', 'postgres'] as const)(
    'brings no nonce back to a log of revocations that listens through it, by %s',
    async (kind) => {
      const direct = new pg.Pool({ connectionString: server.url })
      onTestFinished(() => direct.end())
      await migratePostgresRevocations(direct)
      const log = createPostgresRevocationLog(direct, connectTo(kind, server.poolerUrl ?? ''))
      const echoed: string[] = []
      const subscription = log.subscribe({
        appended: () => undefined,
        echoed: (nonce) => void echoed.push(nonce),
        broken: () => undefined,
      })
      onTestFinished(() => subscription.close())

      // The first ones are refused, as nobody listens yet.
      const sent = await vi.waitUntil(
        () =>
          subscription.echo('first').then(
            () => true,
            () => false,
          ),
        5_000,
      )
      for (let count = 0; count < 20; count++) {
        await subscription.echo(`nonce-${count}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }

      expect(sent).toBe(true)
      expect(echoed).toEqual([])
    },
  )

  it('serves copies when it is in session mode', async () => {
    const sessions = await startPostgres({ pooler: 'session' })
    onTestFinished(() => sessions.close())
    const direct = new pg.Pool({ connectionString: sessions.url })
    onTestFinished(() => direct.end())
    await migratePostgresStore(direct, { notify: true })
    const store = createPostgresStore(direct)

    const served = await Promise.all(
      (['pg', 'postgres'] as const).map(async (kind) => {
        const cached = cacheThrough(kind, sessions.poolerUrl ?? '', store)
        await cached.create(kind, userNow())
        const hits = await fillFor(cached, kind, 1_500)
        await store.delete(kind)
        await vi.waitUntil(() => !cached.copies.peek(kind, Date.now(), 0), 2 * BOUND)
        return hits
      }),
    )

    expect(Math.min(...served)).toBeGreaterThan(10)
  })

  it('says what to do when statements are prepared all the same', async () => {
    const client = connect('pg')
    await migratePostgresStore(client)
    const store = createPostgresStore(client)

    const failures = await Promise.all(
      Array.from({ length: 100 }, async (_, at) => {
        await new Promise((resolve) => setTimeout(resolve, at % 20))
        return live(store, `prepared-${at}`).catch((error: unknown) => error)
      }),
    )

    const told = failures.filter((failure) => failure instanceof StoreUnavailableError)
    expect(told.length).toBeGreaterThan(0)
    expect(new Set(told.map(({ message }) => message))).toEqual(
      new Set([expect.stringContaining('give prepare: false')]),
    )
  })
})
