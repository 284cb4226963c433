/**
 * The memory store beside a plain Map with a clock: whatever is asked in whatever order, both answer the same.
 *
 * @module
 */

import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { createMemoryStore, type MemoryStore } from '../memory.ts'
import type { SessionRecord, StoredSession, SweptSession, WriteResult } from '../store.ts'

const START = Date.UTC(2026, 0, 1)

/** Digests that share their first bytes, or all but the last bit, besides keys of other kinds. */
const KEYS = [
  ...['A', 'E', 'I'].map((end) => 'A'.repeat(42) + end),
  ...['B', 'C', '_', '-'].map((start) => start + 'q'.repeat(41) + 'Q'),
  '',
  'user:*',
  '옷',
  '\ud83e',
  'A'.repeat(44),
  'x'.repeat(300),
]
const USERS = ['ada', 'grace', '', '옷장']

const key = fc.constantFrom(...KEYS)
/** Around the edges of seconds, and beyond 2^31 milliseconds. */
const lifetime = fc.oneof(
  fc.integer({ min: -5, max: 3_000 }),
  fc.constantFrom(0, 1, 999, 1_000, 1_001, 60_000, 3_456_000_000),
)
const texts = fc.record({
  data: fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.nat({ max: 3_000 }).map((length) => 'x'.repeat(length)),
    fc.nat({ max: 40_000 }).map((length) => '옷{"a":1}'.repeat(length / 8)),
  ),
  principal: fc.option(fc.constantFrom(...USERS), { nil: undefined }),
  lifetime,
})

type Texts = Pick<SessionRecord, 'data' | 'principal'> & { readonly lifetime: number }

type Step =
  | { readonly kind: 'create'; readonly key: string; readonly texts: Texts }
  | { readonly kind: 'write'; readonly key: string; readonly lag: number; readonly texts: Texts }
  | { readonly kind: 'touch'; readonly key: string; readonly lifetime: number }
  | { readonly kind: 'read' | 'delete' | 'quarantine'; readonly key: string }
  | { readonly kind: 'list'; readonly principal: string }
  | { readonly kind: 'sweep'; readonly limit: number }
  | { readonly kind: 'elapse'; readonly milliseconds: number }

function step<K extends Step['kind'], T>(
  kind: K,
  fields: { [F in keyof T]: fc.Arbitrary<T[F]> },
): fc.Arbitrary<T & { kind: K }> {
  return fc.record(fields).map((values) => ({ ...(values as T), kind }))
}

const steps = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: step('create', { key, texts }) },
    { weight: 4, arbitrary: step('write', { key, lag: fc.constantFrom(0, 0, 0, 1), texts }) },
    { weight: 2, arbitrary: step('touch', { key, lifetime }) },
    { weight: 3, arbitrary: step('read', { key }) },
    { weight: 1, arbitrary: step('delete', { key }) },
    { weight: 1, arbitrary: step('quarantine', { key }) },
    { weight: 1, arbitrary: step('list', { principal: fc.constantFrom(...USERS) }) },
    { weight: 2, arbitrary: step('sweep', { limit: fc.nat({ max: 4 }) }) },
    { weight: 2, arbitrary: step('elapse', { milliseconds: lifetime.map((time) => Math.abs(time)) }) },
  ),
  { minLength: 1, maxLength: 120, size: 'max' },
)

interface Transcript {
  readonly told: readonly unknown[]
  readonly expected: readonly unknown[]
}

type Subject = Pick<
  MemoryStore,
  'create' | 'read' | 'write' | 'touch' | 'delete' | 'quarantine' | 'list' | 'sweep'
>

/** What the store promises, with no thought of memory or speed. The least recently used come first in the map. */
class Model implements Subject {
  readonly maxSessions: number
  readonly sessions = new Map<string, StoredSession>()
  readonly evicted: SweptSession[] = []
  readonly dropped: SweptSession[] = []
  time = START
  version = 0
  records = 0

  constructor(maxSessions: number) {
    this.maxSessions = maxSessions
  }

  find(key: string): StoredSession | undefined {
    const session = this.sessions.get(key)
    return session && session.expiresAt > this.time ? session : undefined
  }

  async create(key: string, record: SessionRecord): Promise<WriteResult> {
    if (this.find(key)) return { outcome: 'conflict' }
    const expired = this.sessions.get(key)
    if (expired) this.drop(expired)
    while (this.sessions.size >= this.maxSessions) {
      const [oldest] = this.findDue()
      if (oldest) this.drop(oldest)
      else this.evict()
    }
    return this.put(key, record)
  }

  async write(key: string, version: number, record: SessionRecord): Promise<WriteResult> {
    const session = this.find(key)
    if (!session) return { outcome: 'gone' }
    return session.version === version ? this.put(key, record) : { outcome: 'conflict' }
  }

  put(key: string, record: SessionRecord): WriteResult {
    const version = ++this.version
    this.use({ key, version, ...record })
    return { outcome: 'written', version }
  }

  use(session: StoredSession): void {
    this.sessions.delete(session.key)
    this.sessions.set(session.key, session)
  }

  async read(key: string): Promise<StoredSession | undefined> {
    const session = this.find(key)
    if (session) this.use(session)
    return session
  }

  async touch(key: string, lastSeenAt: number, expiresAt: number): Promise<boolean> {
    const session = this.find(key)
    if (!session) return false
    this.use({
      ...session,
      lastSeenAt: Math.max(session.lastSeenAt, lastSeenAt),
      expiresAt: Math.max(session.expiresAt, expiresAt),
    })
    return true
  }

  async delete(key: string): Promise<StoredSession | undefined> {
    const session = this.find(key)
    if (session) this.sessions.delete(key)
    return session
  }

  async quarantine(key: string): Promise<boolean> {
    return (await this.delete(key)) !== undefined
  }

  async list(principal: string): Promise<StoredSession[]> {
    return KEYS.flatMap((key) => this.find(key) ?? []).filter((session) => session.principal === principal)
  }

  async sweep(limit: number): Promise<SweptSession[]> {
    const reported = this.dropped.splice(0, limit)
    for (const session of this.findDue().slice(0, limit - reported.length)) {
      this.drop(session)
      reported.push(...this.dropped.splice(0))
    }
    return reported
  }

  findDue(): StoredSession[] {
    return [...this.sessions.values()]
      .filter(({ expiresAt }) => expiresAt <= this.time)
      .sort((a, b) => a.expiresAt - b.expiresAt)
  }

  drop({ key, principal }: StoredSession): void {
    this.sessions.delete(key)
    this.dropped.push({ key, principal })
  }

  evict(): void {
    const sessions = [...this.sessions.values()]
    const { key, principal } = sessions.find(({ principal }) => principal === undefined) ?? sessions[0]!
    this.sessions.delete(key)
    this.evicted.push({ key, principal })
  }
}

/** Asks a store and the model the same, and collects what each of them answers. */
async function replay(steps: readonly Step[], maxSessions: number): Promise<Transcript> {
  const model = new Model(maxSessions)
  const store = createMemoryStore({ now: () => model.time, maxSessions })
  const evicted: SweptSession[] = []
  store.onEvict((session) => evicted.push(session))
  const ends: readonly Step[] = [
    ...USERS.map((principal) => ({ kind: 'list', principal }) as const),
    ...KEYS.map((key) => ({ kind: 'read', key }) as const),
    { kind: 'sweep', limit: 1_000 },
  ]
  const told: unknown[] = []
  const expected: unknown[] = []

  for (const step of [...steps, ...ends]) {
    if (step.kind === 'elapse') model.time += step.milliseconds
    const call = toCall(step, model)
    told.push(await call(store), evicted.splice(0))
    expected.push(await call(model), model.evicted.splice(0))
  }
  return { told, expected }
}

/** The call that a step makes, the same for whoever is asked. */
function toCall(step: Step, model: Model): (subject: Subject) => Promise<unknown> {
  const { key, limit, principal } = { key: '', limit: 0, principal: '', ...step }
  const lifetime = 'texts' in step ? step.texts.lifetime : 'lifetime' in step ? step.lifetime : 0
  // No two records share an expiry, so that a sweep has one order.
  const expiresAt = model.time + lifetime + (++model.records % 4_096) / 4_096
  const times = { createdAt: model.time - 0.5, lastSeenAt: model.time, expiresAt }
  const known = model.sessions.get(key)?.version ?? 1

  switch (step.kind) {
    case 'create': {
      const { data, principal } = step.texts
      return (subject) => subject.create(key, { data, principal, ...times })
    }
    case 'write': {
      const { data, principal } = step.texts
      return (subject) => subject.write(key, known - step.lag, { data, principal, ...times })
    }
    case 'touch':
      return (subject) => subject.touch(key, model.time, expiresAt)
    case 'list':
      return async (subject) => order(await subject.list(principal))
    case 'sweep':
      // A full store leaves open which of several expired sessions a create drops, so all are asked for.
      return model.maxSessions < KEYS.length
        ? async (subject) => order(await subject.sweep(1_000))
        : (subject) => subject.sweep(limit)
    case 'read':
    case 'delete':
    case 'quarantine':
      return ask(step.kind)
    case 'elapse':
    default:
      return async () => undefined
  }

  function ask(kind: 'read' | 'delete' | 'quarantine'): (subject: Subject) => Promise<unknown> {
    return (subject) => subject[kind](key)
  }
}

function order<T extends SweptSession>(sessions: readonly T[]): T[] {
  const nameOf = ({ key, principal }: SweptSession) => JSON.stringify([key, principal])
  return sessions.toSorted((a, b) => (nameOf(a) < nameOf(b) ? -1 : 1))
}

describe('createMemoryStore()', () => {
  it('behaves like a map with a clock, whatever is asked in whatever order', async () => {
    const property = fc.asyncProperty(steps, async (steps) => {
      const { told, expected } = await replay(steps, 1_000)

      expect(told).toEqual(expected)
    })

    await fc.assert(property, { numRuns: 200 })
  })

  it('behaves like a bounded map that drops the expired, then visitors, then users', async () => {
    const property = fc.asyncProperty(steps, async (steps) => {
      const { told, expected } = await replay(steps, 5)

      expect(told).toEqual(expected)
    })

    await fc.assert(property, { numRuns: 200 })
  })
})
