/**
 * The near cache before a back end and a channel that do whatever may happen: whatever it serves is within the bound.
 *
 * @module
 */

import * as fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createFakeFeed } from '../../../test/support/fake-feed.ts'
import { createNearCache } from '../near-cache.ts'
import type { SessionRecord, SessionStore, StoredSession, WriteResult } from '../store.ts'

const START = Date.UTC(2026, 0, 1)
const BOUND = 2_000
const KEYS = ['ada', 'grace'] as const
type Key = (typeof KEYS)[number]

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'setTimeout', 'clearTimeout'] })
})
afterEach(() => void vi.useRealTimers())

/** What a key stood for from some moment on. */
interface State {
  /** 0 when the session was gone. */
  readonly version: number
  /** When somebody was told that it is so; `undefined` as long as nobody was. */
  acknowledgedAt: number | undefined
}

/** A call that the cache has made and the back end has not answered. */
interface Pending {
  evaluate(): void
  answer(): void
  fail(): void
}

/** Time, a back end that remembers all it ever held, and the calls under way. */
class World {
  monotonic = 0
  wall = START
  readonly fake = createFakeFeed()
  readonly states = new Map<string, State[]>(
    KEYS.map((key) => [key, [{ version: 1, acknowledgedAt: START }]]),
  )
  readonly expiries = new Map<string, number>(
    KEYS.map((key, index) => [key, START + 15_000 * (1 + index * 1_000)]),
  )
  readonly pending: Pending[] = []

  newest(key: string): State {
    return this.states.get(key)?.at(-1) as State
  }

  version(key: string): number {
    return (this.expiries.get(key) ?? 0) > this.wall ? this.newest(key).version : 0
  }

  record(key: string): StoredSession | undefined {
    const version = this.version(key)
    return version === 0 ? undefined : sessionOf(key, version, this.expiries.get(key) as number)
  }

  /** Changes a key, which the channel is told of at once, and an acknowledgement later. */
  change(key: string, version: number): State {
    const state: State = { version, acknowledgedAt: undefined }
    this.states.get(key)?.push(state)
    this.fake.change(key)
    return state
  }

  /** A call that is answered with what the back end said when it was evaluated. */
  call<Result>(evaluate: () => Result, acknowledge?: () => void): Promise<Result> {
    return new Promise((resolve, reject) => {
      let result: { readonly value: Result } | undefined
      const pending: Pending = {
        evaluate: () => void (result ??= { value: evaluate() }),
        answer: () => {
          pending.evaluate()
          acknowledge?.()
          resolve((result as { readonly value: Result }).value)
        },
        fail: () => reject(new Error('no answer')),
      }
      this.pending.push(pending)
    })
  }

  /** A call that changes something, acknowledged when it is answered. */
  changing<Result>(change: (note: (state: State) => void) => Result): Promise<Result> {
    let made: State | undefined
    return this.call(
      () => change((state) => (made = state)),
      () => {
        if (made) made.acknowledgedAt = this.wall
      },
    )
  }

  readonly store: SessionStore = {
    name: 'world',
    create: () => Promise.reject(new Error('not in this model')),
    quarantine: () => Promise.reject(new Error('not in this model')),
    read: (key) => this.call(() => this.record(key)),
    write: (key, version, record) =>
      this.changing<WriteResult>((note) => {
        const found = this.version(key)
        if (found === 0) return { outcome: 'gone' }
        if (found !== version) return { outcome: 'conflict' }
        note(this.change(key, version + 1))
        this.expiries.set(key, record.expiresAt)
        return { outcome: 'written', version: version + 1 }
      }),
    touch: (key, _lastSeenAt, expiresAt) =>
      this.call(() => {
        if (this.version(key) === 0) return false
        this.expiries.set(key, Math.max(expiresAt, this.expiries.get(key) as number))
        return true
      }),
    delete: (key) =>
      this.changing((note) => {
        const found = this.record(key)
        if (found) note(this.change(key, 0))
        return found
      }),
  }
}

function recordOf(key: string, version: number, expiresAt: number): SessionRecord {
  return { data: `${key} ${version}`, principal: key, createdAt: START, lastSeenAt: START, expiresAt }
}

function sessionOf(key: string, version: number, expiresAt: number): StoredSession {
  return { key, version, ...recordOf(key, version, expiresAt) }
}

type Step =
  | {
      readonly kind: 'read' | 'read at least' | 'fresh' | 'write' | 'delete' | 'touch' | 'write elsewhere'
      readonly key: Key
    }
  | { readonly kind: 'delete elsewhere'; readonly key: Key }
  | { readonly kind: 'evaluate' | 'answer' | 'fail'; readonly index: number }
  | { readonly kind: 'deliver'; readonly count: number }
  | { readonly kind: 'pass' | 'elapse' | 'stall' | 'sleep'; readonly milliseconds: number }
  | { readonly kind: 'cut' | 'lose' | 'reconnect' | 'break' | 'wipe' | 'calm' }

/** What steps may say beside their kind. */
interface Details {
  readonly key: Key
  readonly index: number
  readonly count: number
  readonly milliseconds: number
}

const key = fc.constantFrom(...KEYS)
const onKey = (kind: Extract<Step, { key: Key }>['kind']) => key.map((key): Step => ({ kind, key }))
const onCall = (kind: 'evaluate' | 'answer' | 'fail') =>
  fc.nat({ max: 4 }).map((index): Step => ({ kind, index }))
const inTime = (kind: 'pass' | 'elapse' | 'stall' | 'sleep', max: number) =>
  fc
    .oneof(fc.nat({ max }), fc.constantFrom(0, 1, BOUND, BOUND + 1))
    .map((milliseconds): Step => ({ kind, milliseconds }))
const plain = (kind: 'cut' | 'lose' | 'reconnect' | 'break' | 'wipe' | 'calm') => fc.constant<Step>({ kind })

/** Steps before a back end that answers promptly, or takes its time. */
const stepsWith = (promptness: number) =>
  fc.array(
    fc.oneof(
      { weight: 10, arbitrary: onKey('read') },
      { weight: 4, arbitrary: onKey('read at least') },
      { weight: 2, arbitrary: onKey('fresh') },
      { weight: 5, arbitrary: onKey('write') },
      { weight: 1, arbitrary: onKey('delete') },
      { weight: 2, arbitrary: onKey('touch') },
      { weight: 6, arbitrary: onKey('write elsewhere') },
      { weight: 1, arbitrary: onKey('delete elsewhere') },
      { weight: 6, arbitrary: onCall('evaluate') },
      { weight: 5 * promptness, arbitrary: onCall('answer') },
      { weight: 2, arbitrary: onCall('fail') },
      {
        weight: 10,
        arbitrary: fc.integer({ min: 1, max: 4 }).map((count): Step => ({ kind: 'deliver', count })),
      },
      { weight: 6, arbitrary: inTime('pass', 5_000) },
      { weight: 4, arbitrary: inTime('elapse', 3_000) },
      { weight: 2, arbitrary: inTime('stall', 3_000) },
      { weight: 1, arbitrary: inTime('sleep', 5_000) },
      { weight: 2, arbitrary: plain('cut') },
      { weight: 1, arbitrary: plain('lose') },
      { weight: 2, arbitrary: plain('reconnect') },
      { weight: 1, arbitrary: plain('break') },
      { weight: 1, arbitrary: plain('wipe') },
      { weight: 3 * promptness, arbitrary: plain('calm') },
    ),
    { minLength: 1, maxLength: 60, size: 'max' },
  )
const steps = fc.oneof(stepsWith(2), stepsWith(2), stepsWith(0))

/** Plays steps, and looks at everything that would be served after each of them. */
async function play(steps: readonly Step[]): Promise<{ readonly hits: number; readonly stale: number }> {
  const world = new World()
  const { fake } = world
  const near = createNearCache(world.store, fake.feed, {
    bound: BOUND,
    now: () => world.wall,
    monotonic: () => world.monotonic,
  })
  /** Newest version acknowledged to this process; `Infinity` once it was told that the session is gone. */
  const floors = new Map<string, number>(KEYS.map((key) => [key, 0]))
  const failures: string[] = []
  let stale = 0

  /** Complains about a session that was given to somebody who asked at the given time. */
  function examine(how: string, session: StoredSession, askedAt: number, floor: number): void {
    const states = world.states.get(session.key) ?? []
    const index = states.findLastIndex(({ version }) => version === session.version)
    const successor = states
      .slice(index + 1)
      .find(({ acknowledgedAt }) => acknowledgedAt !== undefined && acknowledgedAt < askedAt - BOUND)
    if (index === -1 || session.version === 0) failures.push(`${how} invented a version`)
    if (successor) failures.push(`${how} gave a version superseded for longer than the bound`)
    if (session.version < floor) failures.push(`${how} gave version ${session.version} below ${floor}`)
    if (session.data !== `${session.key} ${session.version}`) failures.push(`${how} mixed versions`)
  }

  function look(): void {
    for (const key of KEYS) {
      const floor = floors.get(key) as number
      const newest = world.newest(key).version
      for (const atLeast of [0, newest]) {
        const session = near.copies.peek(key, world.wall, atLeast)
        if (session) examine('peek', session, world.wall, Math.max(floor, atLeast))
        if (session && session.expiresAt <= world.wall) failures.push('peek gave an expired session')
      }
      const session = near.copies.stale(key, world.wall)
      if (session) examine('stale', session, world.wall, floor)
      if (session && session.expiresAt <= world.wall) failures.push('stale gave an expired session')
      if (session && !near.copies.peek(key, world.wall, 0)) stale += 1
    }
  }

  /** Lets time pass in small steps, with a channel that delivers as it is sent to, or holds everything back. */
  function elapse(milliseconds: number, isFlowing: boolean): void {
    for (let left = milliseconds; left > 0; left -= 100) {
      const slice = Math.min(left, 100)
      world.wall += slice
      world.monotonic += slice
      vi.advanceTimersByTime(slice)
      if (isFlowing) fake.deliver()
    }
  }

  function settle(key: string, version: number): void {
    floors.set(key, Math.max(version, floors.get(key) ?? 0))
  }

  async function read(key: string, how: 'read' | 'fresh', atLeast = 0): Promise<void> {
    const askedAt = world.wall
    const floor = Math.max(atLeast, floors.get(key) as number)
    const session = await (how === 'read' ? near.read(key, atLeast) : near.copies.fresh(key))
    if (session) examine(how, session, askedAt, floor)
    else if (world.version(key) > 0) failures.push(`${how} missed a session`)
  }

  const actions: Readonly<Record<Step['kind'], (step: Details) => unknown>> = {
    read: ({ key }) => read(key, 'read'),
    'read at least': ({ key }) => read(key, 'read', world.newest(key).version),
    fresh: ({ key }) => read(key, 'fresh'),
    async write({ key }) {
      const version = world.newest(key).version
      const lifetime = version % 2 === 0 ? 8_000 : 3_600_000
      const result = await near.write(key, version, recordOf(key, version + 1, world.wall + lifetime))
      if (result.outcome === 'written') settle(key, result.version)
      if (result.outcome === 'gone') settle(key, Number.POSITIVE_INFINITY)
    },
    async delete({ key }) {
      await near.delete(key)
      settle(key, Number.POSITIVE_INFINITY)
    },
    touch: ({ key }) => near.touch(key, world.wall, world.wall + 10_000),
    'write elsewhere'({ key }) {
      const version = world.version(key)
      if (version > 0) world.change(key, version + 1).acknowledgedAt = world.wall
    },
    'delete elsewhere'({ key }) {
      if (world.version(key) > 0) world.change(key, 0).acknowledgedAt = world.wall
    },
    evaluate: ({ index }) => world.pending[index]?.evaluate(),
    answer: ({ index }) => world.pending.splice(index, 1)[0]?.answer(),
    fail: ({ index }) => world.pending.splice(index, 1)[0]?.fail(),
    deliver: ({ count }) => fake.deliver(count),
    pass: ({ milliseconds }) => elapse(milliseconds, true),
    elapse: ({ milliseconds }) => elapse(milliseconds, false),
    stall({ milliseconds }) {
      world.wall += milliseconds
      world.monotonic += milliseconds
    },
    sleep({ milliseconds }) {
      world.wall += milliseconds
    },
    cut: () => fake.cut(),
    break: () => fake.breakOff(),
    lose: () => fake.lose(),
    reconnect: () => fake.reconnect(),
    wipe() {
      for (const key of KEYS) {
        world.states.get(key)?.push({ version: 0, acknowledgedAt: world.wall })
      }
      fake.changeAll()
    },
    calm() {
      for (const pending of world.pending.splice(0)) pending.answer()
      fake.deliver()
    },
  }

  for (const step of [{ kind: 'calm' } as const, ...steps]) {
    const done = actions[step.kind](step as Step & Details)
    void Promise.resolve(done).catch(() => undefined)
    await new Promise(setImmediate)
    look()
  }
  await near.close()
  expect(failures).toEqual([])
  return { hits: near.stats().hits, stale }
}

describe('createNearCache() beside a model', () => {
  it('never serves what was superseded longer ago than the bound, or ended here, or is older than asked for', async () => {
    let hits = 0
    let stale = 0

    await fc.assert(
      fc.asyncProperty(steps, async (steps) => {
        const seen = await play(steps)
        hits += seen.hits
        stale += seen.stale
      }),
      { numRuns: Number(process.env['MODEL_RUNS'] ?? 1_000) },
    )

    // A cache that never serves anything would pass as well.
    expect(hits).toBeGreaterThan(1_000)
    expect(stale).toBeGreaterThan(50)
  }, 120_000)
})
