import { setTimeout as pause } from 'node:timers/promises'
import pg from 'pg'
import { expect, it } from 'vitest'
import { describeWith } from '../../../test/support/engines.ts'
import { clientKinds, usePostgres } from '../../../test/support/postgres-trial.ts'
import { recordAt } from '../../../test/support/records.ts'
import { createPostgresStore, type PostgresClient, type PostgresStore } from '../postgres.ts'
import { type SessionStore, StoreUnavailableError, type WriteResult } from '../store.ts'

/** Data that no message may hold. */
const SECRET = Array.from({ length: 800 }, (_, index) => `secret${index * 7_919}`).join('')

describeWith(['postgresql'], 'createPostgresStore().write', () => {
  const { createTrial, ask, url, onCleanup } = usePostgres()

  it.each(clientKinds)('judges each write of a turn by itself, with a %s', async (kind) => {
    const { store, table, now, elapse } = await createTrial(kind)
    const soon = now() + 1_000
    for (const key of ['a', 'stale', 'deleted', 'z']) await store.create(key, recordAt(now()))
    await store.create('expired', recordAt(now(), { expiresAt: soon }))
    await store.write('stale', 1, recordAt(now(), { data: 'newer' }))
    await store.delete('deleted')
    await elapse(1_000)
    const keys = ['z', 'expired', 'stale', 'unknown', 'deleted', 'a']

    const results = await writeAll(store, keys, recordAt(now(), { data: 'new', principal: 'ada' }))

    const written = { outcome: 'written', version: 2 }
    const gone = { outcome: 'gone' }
    expect(results).toEqual([written, gone, { outcome: 'conflict' }, gone, gone, written])
    expect(await ask(`SELECT key, version::int, data FROM ${table} ORDER BY key`)).toEqual([
      { key: 'a', version: 2, data: 'new' },
      { key: 'expired', version: 1, data: '{}' },
      { key: 'stale', version: 2, data: 'newer' },
      { key: 'z', version: 2, data: 'new' },
    ])
  })

  it('sends what comes in one turn as one statement, at most 64 in each, and large records by themselves', async () => {
    const { client, schema, now } = await createTrial()
    const { counted, sent } = count(client)
    const store = createPostgresStore(counted, { schema })
    const keys = await createSessions(store, 66, now())
    sent.length = 0

    const results = await writeAll(store, keys.slice(0, 65), recordAt(now()))
    const together = sent.splice(0)
    const large = recordAt(now(), { data: 'x'.repeat(20_000) })
    const others = await Promise.all([
      writeAll(store, keys.slice(0, 2), recordAt(now()), 2),
      store.write(keys[65] ?? '', 1, large),
    ])
    const apart = sent.splice(0)

    expect([...results, ...others.flat()].map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 68 }, () => 'written'),
    )
    // Of 65 one is left over; it is the statement of a single write.
    expect(together).toHaveLength(2)
    expect(new Set(apart)).toEqual(new Set(together))
    expect(await store.read(keys[65] ?? '')).toMatchObject(large)
  })

  it('changes the whole record, and files it no later than it ends', async () => {
    const { client, schema, now, table } = await createTrial()
    const { counted, failed } = count(client)
    const store = createPostgresStore(counted, { schema })
    const keys = await createSessions(store, 2, now())
    const record = {
      data: 'new',
      principal: 'ada',
      createdAt: now() - 0.25,
      lastSeenAt: now() + 0.125,
      expiresAt: now() + 5_000.5,
    }

    const [, other] = await Promise.all([
      store.write(keys[0] ?? '', 1, record),
      store.write(keys[1] ?? '', 1, recordAt(now(), { expiresAt: now() + 90_000 })),
    ])

    expect(failed).toEqual([])
    expect(other).toEqual({ outcome: 'written', version: 2 })
    expect(await store.read(keys[0] ?? '')).toEqual({ key: keys[0], version: 2, ...record })
    expect(await ask(`SELECT sweep_at - ${now()} AS due FROM ${table} ORDER BY key`)).toEqual([
      { due: 5_000.5 },
      { due: 60_000 },
    ])
  })

  it('keeps any text of any of them', async () => {
    const { store, now } = await createTrial()
    const texts = [
      '',
      'a\0b',
      '\ud800',
      '\uffff',
      '\x1f',
      'a\x1fb',
      '\x1e',
      '"\\{},NULL\'',
      'NULL',
      '\n',
      'plain',
      'ü€😀',
    ]
    for (const text of texts) await store.create(`key${text}`, recordAt(now()))

    const results = await Promise.all(
      texts.map((text) => store.write(`key${text}`, 1, recordAt(now(), { data: text, principal: text }))),
    )

    expect(results.every(({ outcome }) => outcome === 'written')).toBe(true)
    const sessions = await Promise.all(texts.map((text) => store.read(`key${text}`)))
    expect(sessions.map((session) => [session?.key, session?.data, session?.principal])).toEqual(
      texts.map((text) => [`key${text}`, text, text]),
    )
  })

  it.each(clientKinds)('lets one of several writes for a key in one turn win, with a %s', async (kind) => {
    const { store, now } = await createTrial(kind)
    const keys = await createSessions(store, 3, now())

    const results = await Promise.all(
      [...keys, ...keys, ...keys].map((key, index) =>
        store.write(key, 1, recordAt(now(), { data: `${index}` })),
      ),
    )

    const conflict = { outcome: 'conflict' }
    expect(results.slice(0, 3)).toEqual(keys.map(() => ({ outcome: 'written', version: 2 })))
    expect(results.slice(3)).toEqual([...keys, ...keys].map(() => conflict))
    expect(await store.read(keys[1] ?? '')).toMatchObject({ version: 2, data: '1' })
  })

  it.each([
    ['a user id that is too long for the index', { principal: SECRET }, 1],
    ['an expiry that is no instant', { expiresAt: Number.NaN, data: SECRET }, 1],
    ['a version that is no integer', { data: SECRET }, 1.5],
    ['data that a trigger refuses', { data: `forbidden ${SECRET}` }, 1],
  ])('refuses no other for %s, and says nothing of it', async (_, changes, version) => {
    const { store, schema, table, now } = await createTrial()
    const keys = await createSessions(store, 3, now())
    await ask(`
      CREATE FUNCTION ${schema}.refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
      CREATE TRIGGER refuse BEFORE UPDATE ON ${table} FOR EACH ROW WHEN (NEW.data LIKE 'forbidden%')
        EXECUTE FUNCTION ${schema}.refuse()`)

    const [first, refused, last] = await Promise.allSettled([
      store.write('key0', 1, recordAt(now())),
      store.write('key1', version, recordAt(now(), changes)),
      store.write('key2', 1, recordAt(now())),
    ])

    const written = { status: 'fulfilled', value: { outcome: 'written', version: 2 } }
    expect([first, last]).toEqual([written, written])
    const { reason } = refused as PromiseRejectedResult
    expect(reason).toBeInstanceOf(StoreUnavailableError)
    expect(String(reason) + String(reason.cause)).not.toContain('secret')
    const versions = await Promise.all(keys.map(async (key) => (await store.read(key))?.version))
    expect(versions).toEqual([2, 1, 2])
  })

  it('writes one by one what other transactions have made fail together', async () => {
    const { store, schema, table, now } = await createTrial()
    const keys = await createSessions(store, 3, now())
    await ask(`
      CREATE SEQUENCE ${schema}.attempts;
      CREATE FUNCTION ${schema}.fail_once() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN
        IF nextval(''${schema}.attempts'') = 1 THEN RAISE EXCEPTION ''no'' USING ERRCODE = ''40001''; END IF;
        RETURN NULL; END';
      CREATE TRIGGER fail_once BEFORE UPDATE ON ${table} EXECUTE FUNCTION ${schema}.fail_once()`)

    const results = await writeAll(store, keys, recordAt(now(), { data: 'new' }))

    expect(results).toEqual(keys.map(() => ({ outcome: 'written', version: 2 })))
    expect(await ask(`SELECT last_value::int FROM ${schema}.attempts`)).toEqual([{ last_value: 4 }])
  })

  it('does not repeat one by one what the server cannot do at all', async () => {
    const { client, schema, table, now } = await createTrial()
    const { counted, sent } = count(client)
    const store = createPostgresStore(counted, { schema })
    const keys = await createSessions(store, 9, now())
    await ask(`DROP TABLE ${table}`)
    sent.length = 0

    const results = await Promise.allSettled(keys.map((key) => store.write(key, 1, recordAt(now()))))

    expect(results.map((result) => result.status === 'rejected' && result.reason)).toEqual(
      keys.map(() => expect.any(StoreUnavailableError)),
    )
    expect(results[3]).toMatchObject({ reason: { message: expect.stringContaining('migratePostgresStore') } })
    expect(sent).toHaveLength(1)
  })

  it.each([
    ['DELETE FROM', 'COMMIT', { outcome: 'gone' }],
    ['UPDATE', 'COMMIT', { outcome: 'conflict' }],
    ['DELETE FROM', 'ROLLBACK', { outcome: 'written', version: 2 }],
    ['UPDATE', 'ROLLBACK', { outcome: 'written', version: 2 }],
  ])('does not let the others wait for one that is locked by %s … %s', async (what, end, expected) => {
    const { store, now, table } = await createTrial()
    const keys = await createSessions(store, 5, now())
    const other = await open()
    await other.query(
      `BEGIN; ${what} ${table} ${what === 'UPDATE' ? 'SET version = 2' : ''} WHERE key = '${keys[2]}'`,
    )

    const writes = keys.map((key) => store.write(key, 1, recordAt(now(), { data: 'new' })))
    const [locked] = writes.splice(2, 1)
    const others = await Promise.all(writes)
    const meanwhile = await Promise.race([locked, pause(50, 'waits')])
    await other.query(end)

    expect(others).toEqual(writes.map(() => ({ outcome: 'written', version: 2 })))
    expect(meanwhile).toBe('waits')
    expect(await locked).toEqual(expected)
  })

  it('writes what is locked against its deletion alone', async () => {
    const { store, now, table } = await createTrial()
    const keys = await createSessions(store, 5, now())
    const other = await open()
    await other.query(`BEGIN; SELECT FROM ${table} FOR KEY SHARE`)

    const results = await writeAll(store, keys, recordAt(now()))
    await other.query('COMMIT')

    expect(results).toEqual(keys.map(() => ({ outcome: 'written', version: 2 })))
  })

  it('loses and revives nothing, and never locks up, when servers write the same sessions in any order', async () => {
    const { schema, now, table } = await createTrial()
    // On a busy machine they wait for as long as it takes.
    const links = [0, 1, 2, 3, 4].map(() => {
      const pool = new pg.Pool({
        connectionString: url(),
        options: `-c search_path=${schema},pg_catalog`,
        max: 4,
      })
      onCleanup(() => pool.end())
      return count(pool)
    })
    const [store, ...servers] = links.map(({ counted }) =>
      createPostgresStore(counted, { schema, queryTimeout: 0 }),
    ) as [PostgresStore, ...PostgresStore[]]
    const keys = await createSessions(store, 12, now())
    const acknowledged = new Map(keys.map((key) => [key, 0]))
    const deleted = new Set<string>()
    const wrong: string[] = []
    const end = performance.now() + 3_000

    async function increment(server: SessionStore, key: string): Promise<void> {
      for (;;) {
        const wasDeleted = deleted.has(key)
        const session = await server.read(key)
        if (!session) return
        const data = String(Number(session.data) + 1)
        const result = await server.write(key, session.version, recordAt(now(), { data, principal: 'ada' }))
        if (wasDeleted) wrong.push(`${key} was read or written after its end`)
        if (result.outcome === 'written') acknowledged.set(key, (acknowledged.get(key) ?? 0) + 1)
        if (result.outcome !== 'conflict') return
      }
    }

    async function work(server: SessionStore): Promise<void> {
      while (performance.now() < end) {
        const order = keys.toSorted(() => Math.random() - 0.5)
        await Promise.all(order.map((key) => increment(server, key)))
      }
    }

    async function disturb(): Promise<void> {
      for (const key of keys.slice(0, 6)) {
        await pause(300)
        await Promise.all(keys.map((each) => store.touch(each, now() + 1, now() + 61_000)))
        await Promise.all([store.sweep(100), store.list('ada'), store.quarantine('unknown')])
        if (!(await store.delete(key))) wrong.push(`${key} was not there to be deleted`)
        deleted.add(key)
      }
    }

    await Promise.all([...servers.map(work), disturb()])

    expect(wrong).toEqual([])
    const left = await ask(`SELECT key, version::int, data::int AS count FROM ${table} ORDER BY key`)
    const kept = keys.filter((key) => !deleted.has(key)).toSorted()
    expect(left).toEqual(
      kept.map((key) => ({ key, version: 1 + (acknowledged.get(key) ?? 0), count: acknowledged.get(key) })),
    )
    expect(Math.min(...kept.map((key) => acknowledged.get(key) ?? 0))).toBeGreaterThan(3)
    // A batch that failed would be written one by one, so that nobody noticed.
    expect(links.flatMap(({ failed }) => failed)).toEqual([])
  })

  it('finds its sessions by index', async () => {
    const { client, schema, store, now, table } = await createTrial()
    await ask(`INSERT INTO ${table} SELECT 'key' || n, 1, repeat('x', 300), 'user' || n, 1, 1, ${now() + 1e6},
      ${now() + 1e6} FROM generate_series(1, 20000) AS n`)
    await ask(`ANALYZE ${table}`)
    const { counted, sent } = count(client)
    await writeAll(createPostgresStore(counted, { schema }), ['key7', 'key8'], recordAt(now()))

    const plan = await explain(sent[0] ?? '')

    expect(plan).not.toContain('Seq Scan')
    expect(plan).toContain('coatcheck_sessions_pkey')
    expect(await store.read('key7')).toMatchObject({ version: 2 })
  })

  async function open(): Promise<pg.Client> {
    const other = new pg.Client({ connectionString: url() })
    await other.connect()
    onCleanup(() => other.end())
    return other
  }

  /** The plan that is the same for all parameters. */
  async function explain(text: string): Promise<string> {
    const other = await open()
    await other.query(`SET plan_cache_mode = force_generic_plan; PREPARE many AS ${text}`)
    const { rows } = await other.query("EXPLAIN EXECUTE many('', '', '', '{}', '{}', '{}', '{}')")
    return JSON.stringify(rows)
  }
})

function writeAll(
  store: SessionStore,
  keys: readonly string[],
  record: Parameters<SessionStore['write']>[2],
  version = 1,
): Promise<WriteResult[]> {
  return Promise.all(keys.map((key) => store.write(key, version, record)))
}

async function createSessions(store: SessionStore, count: number, now: number): Promise<string[]> {
  const keys = Array.from({ length: count }, (_, index) => `key${index}`)
  for (const key of keys) await store.create(key, recordAt(now, { data: '0' }))
  return keys
}

/** Notes the text of each statement, and the code of each that fails. */
function count(client: PostgresClient): { counted: PostgresClient; sent: string[]; failed: unknown[] } {
  const sent: string[] = []
  const failed: unknown[] = []
  if ('unsafe' in client) throw new TypeError('Counts statements of pg alone')
  const counted: PostgresClient = {
    async query(query) {
      sent.push(query.text)
      try {
        return await client.query(query)
      } catch (error) {
        failed.push((error as { readonly code?: unknown }).code)
        throw error
      }
    },
  }
  return { counted, sent, failed }
}
