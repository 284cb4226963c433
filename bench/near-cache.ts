/**
 * What does a hit in the near cache cost beside a read of the memory store?
 *
 * Decides whether a shared store with a near cache may stand where sessions are loaded on every page. Both hold the
 * same sessions in the same process; keys come in a random order, so that caches of the processor meet them as requests
 * do. The lease is live and nothing is told, as nearly always. Rounds alternate, so that what else runs on the machine
 * disturbs all of them alike; ratios are within one round.
 *
 * Run with `npm run bench -- near-cache`.
 *
 * @module
 */

import { hash, randomBytes, randomInt } from 'node:crypto'
import { cpus } from 'node:os'
import { setTimeout as pause } from 'node:timers/promises'
import { createSessions, type HttpExchange, type SessionStore } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { createNearCache, type InvalidationFeed } from 'coatcheck/stores/near-cache'

const ROUNDS = Number(process.env['ROUNDS'] ?? 15)
const SESSIONS = 5_000
const CALLS = 20_000
const LIFETIME = 3_600_000

/** A back end that tells every nonce at once, and of no change. */
const quietFeed: InvalidationFeed = {
  name: 'quiet',
  subscribe: (listener) => ({
    echo: async (nonce) => void setImmediate(() => listener.echoed(nonce)),
    close: async () => undefined,
  }),
}

const memory = createMemoryStore()
// The cache reads from a store of its own, so that each contender touches its own memory only.
const near = createNearCache(createMemoryStore(), quietFeed)
await pause(50)

const keys = Array.from({ length: SESSIONS }, () => randomBytes(32).toString('base64url'))
const data = JSON.stringify({ a: { cart: ['wool coat, navy', 'umbrella'], lastPage: '/coats?sort=price' } })
for (const key of keys) {
  const at = Date.now()
  const record = { data, principal: 'ada', createdAt: at, lastSeenAt: at, expiresAt: at + LIFETIME }
  for (const store of [memory, near]) await store.create(key, record)
}

const contenders: Readonly<Record<string, () => Promise<void>>> = {
  'memory store: read': async () => {
    for (let call = 0; call < CALLS; call++) must(await memory.read(pick(keys)))
  },
  'near cache: peek': async () => {
    for (let call = 0; call < CALLS; call++) must(near.copies.peek(pick(keys), Date.now(), 1))
  },
  'memory store: load, get': await loading(createMemoryStore()),
  'near cache: load, get': await loading(createNearCache(createMemoryStore(), quietFeed)),
}

const nanoseconds = new Map<string, number[]>(Object.keys(contenders).map((name) => [name, []]))
for (let round = -3; round < ROUNDS; round++) {
  for (const [name, run] of Object.entries(contenders)) {
    // A turn for the proofs of both caches, which the last loop has kept waiting.
    await pause(20)
    const before = performance.now()
    await run()
    // The first rounds warm up.
    if (round >= 0) nanoseconds.get(name)?.push(((performance.now() - before) * 1e6) / CALLS)
  }
}
const { hits, misses } = near.stats()
await near.close()
print()
process.exit()

/** Loads sessions through the engine by their cookies, and reads one attribute. */
async function loading(store: SessionStore): Promise<() => Promise<void>> {
  interface Shop {
    cart: string[]
  }
  const sessions = createSessions<Shop>(store)
  await pause(50)
  const cookies: string[] = []
  for (let index = 0; index < SESSIONS; index++) {
    const set: string[] = []
    const request = exchangeWith(undefined, set)
    sessions.attach(request, request)
    const session = await sessions.load(request)
    session.set('cart', ['wool coat, navy', 'umbrella'])
    await request.leave()
    cookies.push((set[0] ?? '').split(';')[0] ?? '')
  }
  return async () => {
    for (let call = 0; call < CALLS; call++) {
      const request = exchangeWith(pick(cookies), [])
      sessions.attach(request, request)
      const session = await sessions.load(request)
      must(session.get('cart'))
    }
  }
}

function exchangeWith(cookie: string | undefined, set: string[]) {
  let hook: () => Promise<void> | undefined = () => undefined
  return {
    leave: () => hook(),
    header: (name) => (name === 'cookie' ? cookie : undefined),
    secure: true,
    path: '/',
    address: undefined,
    headersSent: false,
    responseHeader: () => undefined,
    setResponseHeader: () => undefined,
    appendCookie: (value) => void set.push(value),
    beforeHeaders: (given) => {
      hook = given
      return true
    },
  } satisfies HttpExchange & { leave(): Promise<void> | undefined }
}

function pick(list: readonly string[]): string {
  return list[randomInt(list.length)] as string
}

function must(found: unknown): void {
  if (found === undefined) throw new Error('A session that is there was not found')
}

function print(): void {
  console.log('What does a hit in the near cache cost beside a read of the memory store?')
  console.log(
    `Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${ROUNDS} rounds of ${CALLS} calls on ${SESSIONS} sessions`,
  )
  console.log(`SHA-256 of an id, for scale: ${time(() => hash('sha256', 'x'.repeat(43), 'base64url'))} ns`)
  console.log(`picking a key, in each of the figures: ${time(() => pick(keys))} ns\n`)
  console.log('| call | ns | ÷ memory store |\n| --- | --- | --- |')
  for (const [name, figures] of nanoseconds) {
    const call = name.endsWith('get') ? ': load, get' : ': read'
    const alone = nanoseconds.get(`memory store${call}`) ?? []
    const ratios = figures.map((figure, at) => figure / (alone[at] ?? 1))
    console.log(`| ${name} | ${median(figures).toFixed(0)} | ${median(ratios).toFixed(2)} |`)
  }
  console.log(`\nhits ${hits}, misses ${misses}`)
}

function time(call: () => unknown): string {
  const before = performance.now()
  for (let index = 0; index < CALLS; index++) call()
  return (((performance.now() - before) * 1e6) / CALLS).toFixed(0)
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((one, other) => one - other)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
