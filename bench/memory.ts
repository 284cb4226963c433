/**
 * What do a million sessions cost in one process?
 *
 * It supports the decision to keep the memory store's records packed outside the JavaScript heap instead of in a Map.
 * Each layout runs in a fresh process, round by round in turn. A stall is what the process works between two turns of
 * the event loop, in CPU time, so that other processes on the machine do not count; the time on the clock is beside
 * it, and that of an idle loop. The MemoryStore of express-session never sweeps, and a Map must
 * be scanned: both are given one pass over all sessions.
 *
 * Run with `npm run bench -- memory`; a number of sessions may follow.
 *
 * @module
 */

import { fork } from 'node:child_process'
import { hash } from 'node:crypto'
import { once } from 'node:events'
import { cpus } from 'node:os'
import { setImmediate as turn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { createMemoryStore } from 'coatcheck/stores/memory'
import session from 'express-session'

const ROUNDS = 3
/** Sessions that the store sweeps in one turn of the event loop. */
const SWEEP_LIMIT = 256
const CHURN_RATE = 10_000
const CHURN_TIME = 3_000
/** Most sessions that are replaced in one turn. */
const CHURN_BATCH = 100
const LIFETIME = 1_800_000
/** Time over which the sessions were created, and so over which they expire. */
const SPREAD = 600_000
const START = Date.UTC(2026, 0, 1)

interface Layout {
  add(index: number): void
  remove(index: number): void
  /** Lets everything expire, as often as it takes, and gives the event loop a turn where the layout can. */
  expire(): Promise<void>
}

/** Longest time between two turns of the event loop. */
interface Stall {
  readonly cpu: number
  readonly clock: number
}

interface Cost {
  readonly bytes: number
  readonly fullGc: number
  readonly expiry: number
  readonly expiryStall: Stall
  readonly churnStall: Stall
  readonly idleStall: Stall
  readonly readTime?: number
}

const layouts = {
  'express-session MemoryStore': createExpressSession,
  'Map of JSON strings': createMap,
  'coatcheck memory store': createPacked,
  'coatcheck, data of random letters': createPackedRandom,
}
const [count = '1000000', layout] = process.argv.slice(2)
if (layout === undefined) await compare(Number(count))
else process.send?.(await measure(layouts[layout as keyof typeof layouts](), Number(count)))

/** Runs the rounds and prints the result. */
async function compare(sessions: number): Promise<void> {
  const names = Object.keys(layouts)
  const costs = names.map((): Cost[] => [])
  for (let round = 0; round < ROUNDS; round++)
    for (const [index, name] of names.entries()) costs[index]?.push(await run(name, sessions))

  const results = costs.map(summarize)
  const [peer] = results
  console.log('What do a million sessions cost in one process?')
  console.log(
    `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${ROUNDS} rounds: medians, shortest stalls`,
  )
  const lengths = Array.from({ length: 1_000 }, (_, index) => dataOf(index).length)
  const length = Math.round(lengths.reduce((sum, length) => sum + length, 0) / lengths.length)
  console.log(`${sessions} sessions of ${length} characters on average, half of them of users;`)
  console.log(
    `expiry in slices of ${SWEEP_LIMIT} where the layout can; churn of ${CHURN_RATE} sessions a second`,
  )
  console.table(
    Object.fromEntries(
      results.map((cost, index) => [
        names[index],
        {
          'bytes each': Math.round(cost.bytes),
          'full GC ms': round(cost.fullGc),
          'expiry of all ms': Math.round(cost.expiry),
          'expiry stall ms': format(cost.expiryStall),
          'churn stall ms': format(cost.churnStall),
          'idle stall ms': format(cost.idleStall),
          'read µs': cost.readTime === undefined ? '' : round(cost.readTime),
        },
      ]),
    ),
  )
  console.table(
    Object.fromEntries(
      results.map((cost, index) => [
        names[index],
        {
          'bytes, ratio to MemoryStore': ratio(cost.bytes, peer?.bytes),
          'full GC': ratio(cost.fullGc, peer?.fullGc),
          'expiry stall': ratio(cost.expiryStall.cpu, peer?.expiryStall.cpu),
          'churn stall': ratio(cost.churnStall.cpu, peer?.churnStall.cpu),
        },
      ]),
    ),
  )
}

async function run(name: string, sessions: number): Promise<Cost> {
  const child = fork(fileURLToPath(import.meta.url), [String(sessions), name], { execArgv: ['--expose-gc'] })
  const [cost] = (await once(child, 'message')) as [Cost]
  child.disconnect()
  await once(child, 'exit')
  return cost
}

/** Medians; of stalls the shortest, since whatever else the machine does can only make them longer. */
function summarize(costs: readonly Cost[]): Cost {
  const pick = (read: (cost: Cost) => number | undefined, rank = costs.length >>> 1) =>
    costs.map((cost) => read(cost) ?? Number.NaN).toSorted((a, b) => a - b)[rank] ?? Number.NaN
  const pickStall = (read: (cost: Cost) => Stall): Stall => ({
    cpu: pick((cost) => read(cost).cpu, 0),
    clock: pick((cost) => read(cost).clock, 0),
  })
  const readTime = pick((cost) => cost.readTime)
  return {
    bytes: pick((cost) => cost.bytes),
    fullGc: pick((cost) => cost.fullGc),
    expiry: pick((cost) => cost.expiry),
    expiryStall: pickStall((cost) => cost.expiryStall),
    churnStall: pickStall((cost) => cost.churnStall),
    idleStall: pickStall((cost) => cost.idleStall),
    ...(!Number.isNaN(readTime) && { readTime }),
  }
}

/** Measures one layout, in a process of its own. */
async function measure(
  layout: Layout & { timeRead?: (count: number) => number },
  count: number,
): Promise<Cost> {
  collect()
  const before = process.memoryUsage().rss
  for (let index = 0; index < count; index++) {
    layout.add(index)
    // Whatever the layout defers must not pile up.
    if (index % 1_000 === 0) await turn()
  }
  collect()
  const bytes = (process.memoryUsage().rss - before) / count
  const fullGc = collect()
  const readTime = layout.timeRead?.(count)

  const idleStall = await watch(async () => {
    const end = performance.now() + CHURN_TIME
    while (performance.now() < end) await turn()
  })
  const churnStall = await watch(() => churn(layout, count))
  const started = performance.now()
  const expiryStall = await watch(() => layout.expire())
  const expiry = performance.now() - started
  return { bytes, fullGc, expiry, expiryStall, churnStall, idleStall, ...(readTime && { readTime }) }
}

/** Replaces the oldest sessions by new ones at an even rate. */
async function churn(layout: Layout, count: number): Promise<void> {
  const begin = performance.now()
  for (let done = 0; done < (CHURN_RATE * CHURN_TIME) / 1_000;) {
    const due = ((performance.now() - begin) * CHURN_RATE) / 1_000
    // After a pause that the machine made, the rest waits for the next turn: it would look like a stall.
    const end = Math.min(due, done + CHURN_BATCH)
    for (; done < end; done++) {
      layout.remove(done)
      layout.add(count + done)
    }
    await turn()
  }
}

/** Watches the turns of the event loop while the work goes on. */
async function watch(work: () => Promise<void>): Promise<Stall> {
  const longest = { cpu: 0, clock: 0 }
  let last = readClocks()
  let watching = true
  const tick = (): void => {
    if (!watching) return
    const now = readClocks()
    longest.cpu = Math.max(longest.cpu, now.cpu - last.cpu)
    longest.clock = Math.max(longest.clock, now.clock - last.clock)
    last = now
    setImmediate(tick)
  }
  setImmediate(tick)
  await work()
  await turn()
  watching = false
  return longest
}

function readClocks(): Stall {
  const { user, system } = process.cpuUsage()
  return { cpu: (user + system) / 1_000, clock: performance.now() }
}

/** Collects all garbage, and gives the median time of a full collection. */
function collect(): number {
  const times = Array.from({ length: 5 }, () => {
    const begin = performance.now()
    globalThis.gc?.()
    return performance.now() - begin
  })
  return times.toSorted((a, b) => a - b)[2] ?? Number.NaN
}

function createExpressSession(): Layout {
  const store = new session.MemoryStore()
  let offset = 0
  return {
    add(index) {
      const expires = new Date(Date.now() + LIFETIME + (index % SPREAD))
      const cookie = { originalMaxAge: LIFETIME, expires, httpOnly: true, path: '/' }
      const { a } = JSON.parse(dataOf(index)) as { a: object }
      store.set(keyOf(index), { cookie, ...a, user: userOf(index) } as unknown as session.SessionData)
    },
    remove(index) {
      store.destroy(keyOf(index))
    },
    async expire() {
      offset = LIFETIME + SPREAD + 1_000
      const { now } = Date
      Date.now = () => now() + offset
      // It asks for every session, and drops what has expired: the only pass that it has.
      await new Promise((resolve) => store.all?.(resolve))
      Date.now = now
    },
  }
}

function createMap(): Layout {
  const sessions = new Map<string, string>()
  return {
    add(index) {
      const expiresAt = START + LIFETIME + (index % SPREAD)
      sessions.set(keyOf(index), JSON.stringify({ expiresAt, user: userOf(index), data: dataOf(index) }))
    },
    remove(index) {
      sessions.delete(keyOf(index))
    },
    async expire() {
      const now = START + LIFETIME + SPREAD
      for (const [key, text] of sessions)
        if ((JSON.parse(text) as { expiresAt: number }).expiresAt <= now) sessions.delete(key)
    },
  }
}

function createPacked(textOf = dataOf): Layout & { timeRead: (count: number) => number } {
  let time = START
  const store = createMemoryStore({ now: () => time, maxSessions: 4_000_000, maxBytes: 8 * 1_073_741_824 })
  return {
    add(index) {
      const expiresAt = START + LIFETIME + (index % SPREAD)
      const record = { principal: userOf(index), createdAt: START, lastSeenAt: START, expiresAt }
      void store.create(keyOf(index), { data: textOf(index), ...record })
    },
    remove(index) {
      void store.delete(keyOf(index))
    },
    async expire() {
      time = START + LIFETIME + SPREAD
      while ((await store.sweep(SWEEP_LIMIT)).length > 0) await turn()
    },
    timeRead(count) {
      const keys = Array.from({ length: 100_000 }, (_, index) => keyOf((index * 7_919) % count))
      for (const key of keys) void store.read(key)
      const begin = performance.now()
      for (const key of keys) void store.read(key)
      return ((performance.now() - begin) * 1_000) / keys.length
    },
  }
}

/** The worst data there is for a store that shortens it. */
function createPackedRandom(): Layout {
  return createPacked((index) => {
    const letters = Array.from({ length: 5 }, (_, part) => digest(`${index}/${part}`).toString('base64url'))
    return letters.join('').slice(0, 200)
  })
}

/** A shop's session: a token, a page, a language, and a cart of up to three articles. */
function dataOf(index: number): string {
  const random = digest(`data ${index}`)
  const cart = Array.from({ length: (random[0] ?? 0) % 4 }, (_, item) => ({
    sku: random.toString('hex', 1 + item * 4, 5 + item * 4),
    quantity: 1 + ((random[20 + item] ?? 0) % 3),
  }))
  const csrf = random.toString('base64url', 16)
  const referrer = `https://shop.example/search?q=${random.toString('hex', 24, 28)}`
  const locale = ['ko-KR', 'en-US', 'de-DE'][(random[14] ?? 0) % 3]
  const lastPage = `/products/${random.readUInt16LE(12)}`
  return JSON.stringify({ a: { csrf, locale, theme: 'dark', referrer, lastPage, visits: random[15], cart } })
}

function userOf(index: number): string | undefined {
  return index % 2 === 0 ? undefined : `user-${index}`
}

function keyOf(index: number): string {
  return digest(`key ${index}`).toString('base64url')
}

/** In one call: hash objects would be a large part of the garbage that is measured. */
function digest(text: string): Buffer {
  return hash('sha256', text, 'buffer')
}

function format({ cpu, clock }: Stall): string {
  return `${cpu.toFixed(1)} (clock ${clock.toFixed(1)})`
}

function round(value: number): number {
  return Number(value.toFixed(1))
}

function ratio(value: number, peer = Number.NaN): string {
  const inverse = peer / value
  return inverse > 1 ? `1/${inverse.toFixed(inverse < 10 ? 1 : 0)}` : (value / peer).toFixed(2)
}
