import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { expect, it, vi } from 'vitest'
import { createCutter } from '../../../lab/engines/cutter.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { clientKinds, usePostgres } from '../../../test/support/postgres-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { guardStore } from '../../session/guard.ts'
import { createPostgresStore, type PostgresStore } from '../postgres.ts'

/** A server of 64 parallel requests, with the deadline and the breaker of the engine. */
function startLoad(store: PostgresStore, now: number) {
  const guarded = guardStore(store, { timeout: 500, onDown: () => undefined, onUp: () => undefined })
  const load = { running: true }
  let answers = 0
  let slowest = 0

  async function visit(index: number): Promise<void> {
    for (let count = 0; load.running; count++) {
      const start = performance.now()
      const write = count % 4 === 0
      const call = write
        ? guarded.touch('key', now + count, now + 60_000 + count)
        : guarded.read(`key${index}`)
      await call.then(() => answers++).catch(() => pause(5))
      slowest = Math.max(slowest, performance.now() - start)
    }
  }

  const visitors = Array.from({ length: 64 }, (_, index) => visit(index))
  return {
    answers: () => answers,
    slowest: () => slowest,
    async stop() {
      load.running = false
      await Promise.all(visitors)
    },
    /** Milliseconds until answers flow again. */
    async recover(): Promise<number> {
      const start = performance.now()
      const before = answers
      await vi.waitUntil(() => answers > before + 200, { timeout: 20_000, interval: 5 })
      return performance.now() - start
    },
  }
}

describeWith(['postgresql'], 'createPostgresStore() in trouble', () => {
  const { createTrial, connect, engine, url, onCleanup, ask } = usePostgres()

  it.each(clientKinds.filter((kind) => kind !== 'pg Client'))(
    'lets nobody wait for a server that hangs, and works again within two seconds after, with a %s',
    async (kind) => {
      const { store, now } = await createTrial(kind)
      await store.create('key', recordAt(now()))
      const load = startLoad(store, now())
      await load.recover()

      await engine().pause()
      await pause(5_000)
      await engine().resume()
      const took = await load.recover()
      await load.stop()

      expect(took).toBeLessThan(2_000)
      expect(load.slowest()).toBeLessThan(1_500)
      expect(await store.read('key')).toMatchObject({ version: 1 })
    },
    30_000,
  )

  it.each(clientKinds.filter((kind) => kind !== 'pg Client'))(
    'has every acknowledged write after the server was killed, and works within two seconds, with a %s',
    async (kind) => {
      const { store, now } = await createTrial(kind)
      await store.create('key', recordAt(now()))
      const load = startLoad(store, now())
      await load.recover()
      const acknowledged = new Map<string, string>()
      const writer = (async () => {
        for (let index = 0; ; index++) {
          await store.create(`new${index}`, recordAt(now(), { data: String(index) }))
          acknowledged.set(`new${index}`, String(index))
        }
      })().catch((error: unknown) => error)
      await vi.waitUntil(() => acknowledged.size > 50, { timeout: 10_000 })

      await engine().kill()
      const error = await writer
      await engine().start()
      const took = await load.recover()
      await load.stop()

      expect(error).toMatchObject({ code: 'ERR_STORE_UNAVAILABLE' })
      expect(took).toBeLessThan(2_000)
      for (const [key, data] of acknowledged) expect(await store.read(key)).toMatchObject({ data })
    },
    30_000,
  )

  it.each(clientKinds.filter((kind) => kind !== 'pg Client'))(
    'works again within two seconds after the network was silent, with a %s',
    async (kind) => {
      const { schema, store: direct, now } = await createTrial(kind)
      await direct.create('key', recordAt(now()))
      const cutter = await createCutter({ host: '127.0.0.1', port: engine().port })
      onCleanup(() => cutter.close())
      const client = await connect(kind, schema, url().replace(/:\d+\//, `:${cutter.port}/`))
      const load = startLoad(createPostgresStore(client, { schema }), now())
      await load.recover()

      cutter.cut()
      await pause(4_000)
      cutter.heal()
      const took = await load.recover()
      await load.stop()

      expect(took).toBeLessThan(2_000)
      expect(load.slowest()).toBeLessThan(1_500)
    },
    30_000,
  )

  it('gives up the connections of a pool on which no answer comes, all but one, whose answer still counts', async () => {
    const { schema } = await createTrial()
    const pool = new pg.Pool({ connectionString: url(), max: 3, connectionTimeoutMillis: 300 })
    onCleanup(() => pool.end())
    const store = createPostgresStore(pool, { schema, queryTimeout: 300 })
    await Promise.all(Array.from({ length: 3 }, () => pool.query('SELECT pg_sleep(0.2)')))

    await engine().pause()
    const kept = store.now()
    const late = await Promise.allSettled(Array.from({ length: 6 }, () => store.now()))
    const left = { connections: pool.totalCount, waiting: pool.waitingCount }
    await engine().resume()

    expect(late.map((result) => result.status === 'rejected' && result.reason.message)).toEqual(
      [
        'the server gave no answer within queryTimeout',
        'the server gave no answer within queryTimeout',
        ...Array.from({ length: 4 }, () => 'the connection failed'),
      ].map((reason): unknown => expect.stringContaining(reason)),
    )
    expect(left).toEqual({ connections: 1, waiting: 0 })
    expect(await kept).toBeGreaterThan(0)
  })

  it('keeps none of a pool of one: there would be no other', async () => {
    const { schema } = await createTrial()
    const pool = new pg.Pool({ connectionString: url(), max: 1, connectionTimeoutMillis: 300 })
    onCleanup(() => pool.end())
    const store = createPostgresStore(pool, { schema, queryTimeout: 300 })
    await store.now()

    await engine().pause()
    const asked = await Promise.allSettled([store.now()])
    await engine().resume()

    expect(asked).toMatchObject([{ status: 'rejected' }])
    expect(pool.totalCount).toBe(0)
  })

  it('does not let the death of an idle connection end the process, and works on', async () => {
    const { schema } = await createTrial()
    const pool = new pg.Pool({ connectionString: url(), application_name: `idle_${schema}` })
    onCleanup(() => pool.end())
    const store = createPostgresStore(pool, { schema })
    await store.now()

    await ask(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'idle_${schema}'`,
    )
    await vi.waitUntil(() => pool.totalCount === 0, { timeout: 10_000 })

    expect(await store.read('key')).toBeUndefined()
  })

  it('says that a single connection is lost for good', async () => {
    const { client, store } = await createTrial('pg Client')
    const { processID } = client as unknown as { readonly processID: number }

    await ask('SELECT pg_terminate_backend($1)', [processID])

    // The client may not have heard of it yet.
    await vi.waitFor(
      () => expect(store.read('key')).rejects.toThrow(/its only connection is lost; use a Pool/),
      5_000,
    )
  })
})
