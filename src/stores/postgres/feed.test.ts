import pg from 'pg'
import postgres from 'postgres'
import { expect, it, vi } from 'vitest'
import { createCutter } from '../../../lab/engines/cutter.ts'
import { describeWith } from '../../../test/support/engines.ts'
import { usePostgres } from '../../../test/support/postgres-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createPostgresInvalidations, migratePostgresStore, type PostgresConnect } from '../postgres.ts'

/** Waits for what the database pushes. */
const waitUntil = (condition: () => boolean | Promise<boolean>) =>
  vi.waitUntil(condition, { timeout: 10_000, interval: 5 })

const kinds = ['pg', 'postgres'] as const

function connectTo(kind: (typeof kinds)[number], url: string): PostgresConnect {
  if (kind === 'postgres') return (options) => postgres(url, options)
  return () => new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 })
}

describeWith(['postgresql'], 'createPostgresInvalidations()', () => {
  const { createTrial, ask, url, engine, onCleanup } = usePostgres()

  /** A feed that is listened to, with what it has told so far. */
  async function createFeedTrial(kind: (typeof kinds)[number], { notify = true, address = url() } = {}) {
    const trial = await createTrial('pg Pool')
    await migratePostgresStore(trial.client, { schema: trial.schema, notify })
    const told: string[] = []
    const feed = createPostgresInvalidations(connectTo(kind, address), { schema: trial.schema })
    const subscription = feed.subscribe({
      changed: (key) => told.push(`changed ${key}`),
      changedAll: () => told.push('changed all'),
      echoed: (nonce) => told.push(`echoed ${nonce}`),
      broken: () => told.push('broken'),
    })
    onCleanup(() => subscription.close())
    await waitUntil(() => told.includes('changed all'))
    told.length = 0
    return { ...trial, told, subscription }
  }

  it.each(kinds)(
    'tells of writes, logins, deletions and what was set aside, before the next echo, with %s',
    async (kind) => {
      const { store, now, told, subscription } = await createFeedTrial(kind)
      for (const key of ['written', 'deleted', 'aside', 'nul\0']) await store.create(key, recordAt(now()))

      await store.write('written', 1, recordAt(now(), { principal: 'ada' }))
      await store.delete('deleted')
      await store.quarantine('aside')
      await store.write('nul\0', 1, recordAt(now()))
      await subscription.echo('nonce.1')
      await waitUntil(() => told.includes('echoed nonce.1'))

      expect(told).toEqual([
        'changed written',
        'changed deleted',
        'changed aside',
        'changed nul\0',
        'echoed nonce.1',
      ])
    },
  )

  it.each(kinds)('tells nothing of reads, creations, touches and the sweep, with %s', async (kind) => {
    const { store, now, elapse, told, subscription } = await createFeedTrial(kind)

    await store.create('key', recordAt(now()))
    await store.touch('key', now() + 1, now() + 90_000)
    await store.read('key')
    await elapse(60_000)
    await store.sweep(10)
    await elapse(60_000)
    const swept = await store.sweep(10)
    await subscription.echo('nonce')
    await waitUntil(() => told.length > 0)

    expect(swept).toHaveLength(1)
    expect(told).toEqual(['echoed nonce'])
  })

  it.each(kinds)('tells of what somebody does with a shell, with %s', async (kind) => {
    const { store, now, told, table } = await createFeedTrial(kind)
    await store.create('key', recordAt(now()))

    await ask(`UPDATE ${table} SET expires_at = 0, sweep_at = 0`)
    await ask(`TRUNCATE ${table}`)
    await waitUntil(() => told.length === 2)

    expect(told).toEqual(['changed key', 'changed all'])
  })

  it('does not hear of another table in another schema', async () => {
    const { told, subscription } = await createFeedTrial('pg')
    const other = await createFeedTrial('pg')
    await other.store.create('key', recordAt(other.now()))

    await other.store.delete('key')
    await waitUntil(() => other.told.length > 0)
    await subscription.echo('nonce')
    await waitUntil(() => told.length > 0)

    expect(told).toEqual(['echoed nonce'])
  })

  it.each(kinds)('tells at once that the connection broke, and listens again, with %s', async (kind) => {
    const { store, now, told, subscription } = await createFeedTrial(kind)
    await store.create('key', recordAt(now()))

    await ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE query LIKE 'LISTEN%'")
    await waitUntil(() => told.length > 0)
    const first = [...told]
    await expect(subscription.echo('early')).rejects.toMatchObject({
      code: 'ERR_STORE_UNAVAILABLE',
      message: expect.stringMatching(/the feed is not connected/),
    })
    await waitUntil(() => told.includes('changed all'))
    await store.delete('key')
    await waitUntil(() => told.includes('changed key'))

    expect(first).toEqual(['broken'])
    expect(told).toEqual(['broken', 'changed all', 'changed key'])
  })

  it.each(kinds)(
    'listens again within two seconds after the server was killed and started, with %s',
    async (kind) => {
      const { told, subscription } = await createFeedTrial(kind)

      await engine().kill()
      await waitUntil(() => told.includes('broken'))
      await engine().start()
      const start = performance.now()
      await waitUntil(() => told.includes('changed all'))
      const took = performance.now() - start
      await subscription.echo('nonce')
      await waitUntil(() => told.includes('echoed nonce'))

      expect(took).toBeLessThan(2_000)
    },
  )

  it.each(kinds)('gives a connection up that has fallen silent, and opens another, with %s', async (kind) => {
    const cutter = await createCutter({ host: '127.0.0.1', port: engine().port })
    onCleanup(() => cutter.close())
    const address = url().replace(/:\d+\//, `:${cutter.port}/`)
    const { told, subscription } = await createFeedTrial(kind, { address })

    cutter.cut()
    const echo = subscription.echo('lost')
    await expect(echo).rejects.toThrow(/gave no answer in 2000 ms/)
    const whenCut = [...told]
    cutter.heal()
    await waitUntil(() => told.includes('changed all'))
    await subscription.echo('nonce')
    await waitUntil(() => told.includes('echoed nonce'))

    expect(whenCut).toEqual(['broken'])
  })

  it.each(kinds)('says that there are no triggers, with %s', async (kind) => {
    const { schema, subscription } = await createFeedTrial(kind, { notify: false })

    const echo = subscription.echo('nonce')

    await expect(echo).rejects.toThrow(
      `Cannot listen to PostgreSQL: table "${schema}"."coatcheck_sessions" tells of no changes; ` +
        'call migratePostgresStore(client, { notify: true })',
    )
  })

  it.each(kinds)('ends its connection when it is closed, and says so, with %s', async (kind) => {
    const { told, subscription } = await createFeedTrial(kind)
    const listening = async () =>
      Number(
        (
          await ask(
            "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'LISTEN%' OR query LIKE '%pg_notify($1%'",
          )
        )[0]?.['count'],
      )
    const before = await listening()

    await subscription.close()

    await waitUntil(async () => (await listening()) < before)
    await expect(subscription.echo('nonce')).rejects.toThrow(/the feed is closed/)
    expect(told).toEqual([])
  })

  it('goes on trying when it cannot connect, and says why', async () => {
    const feed = createPostgresInvalidations(connectTo('pg', url().replace(/:\d+\//, ':1/')))
    const ignore = () => undefined
    const subscription = feed.subscribe({
      changed: ignore,
      changedAll: ignore,
      echoed: ignore,
      broken: ignore,
    })
    onCleanup(() => subscription.close())

    await waitUntil(async () => {
      const error: Error = await subscription.echo('nonce').then(
        () => new Error('It was sent'),
        (reason: Error) => reason,
      )
      return error.cause !== undefined && /no server listens there/.test((error.cause as Error).message)
    })

    expect(feed.name).toBe('postgres')
  })
})
