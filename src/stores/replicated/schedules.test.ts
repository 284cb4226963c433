import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { createMemoryLog, createReplicatedStore } from '../replicated.ts'

const BOUND = 2_000
const START = Date.UTC(2030, 0, 1)
const KEYS = ['a', 'b'].map((letter) => letter.repeat(43))

/** What happens next. Writes are made by a healthy server; the watch under examination gets what it is let have. */
type Step =
  | { readonly do: 'write' | 'delete'; readonly key: number }
  | { readonly do: 'wait'; readonly time: number }
  | { readonly do: 'deliver'; readonly count: number }
  | { readonly do: 'cut' | 'heal' }

const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant('write' as const), key: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('delete' as const), key: fc.nat(1) }) },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('wait' as const),
      time: fc.constantFrom(50, 200, 400, 900, 1_900),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('deliver' as const), count: fc.integer({ min: 1, max: 6 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constantFrom('cut' as const, 'heal' as const) }) },
)

/** An acknowledged change of a session; `undefined` where it was deleted. */
interface Acknowledged {
  readonly at: number
  readonly version: number | undefined
}

beforeEach(
  () => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval'] }),
)
afterEach(() => void vi.useRealTimers())

/** Runs a schedule; gives how often the copy was believed. */
async function run(schedule: readonly Step[]): Promise<number> {
  let time = START
  const now = () => time
  const elapse = async (milliseconds: number) => {
    for (let rest = milliseconds; rest > 0; rest -= 50) {
      time += Math.min(50, rest)
      await vi.advanceTimersByTimeAsync(Math.min(50, rest))
    }
  }
  const log = createMemoryLog({ now })
  const link = { isCut: false, isOpen: true }
  let next: () => boolean = () => false
  const connection = log.connect({
    async call(ask) {
      if (link.isCut) throw new Error('cut')
      return ask()
    },
    deliver(more) {
      next = more
      while (link.isOpen && next());
    },
  })
  const clocks = { now, monotonic: now, random: () => 0 }
  const writer = createReplicatedStore(log.connect(), clocks)
  const reader = createReplicatedStore(connection, clocks)
  const history = new Map<string, Acknowledged[]>(KEYS.map((key) => [key, []]))
  let believed = 0

  async function change(key: string, isRemoval: boolean): Promise<void> {
    const known = history.get(key) ?? []
    const version = known.at(-1)?.version
    const record = {
      data: `${time}`,
      principal: undefined,
      createdAt: time,
      lastSeenAt: time,
      expiresAt: time + 1e9,
    }
    if (isRemoval) {
      await writer.delete(key)
      known.push({ at: time, version: undefined })
      return
    }
    const result =
      version === undefined ? await writer.create(key, record) : await writer.write(key, version, record)
    if (result.outcome === 'written') known.push({ at: time, version: result.version })
  }

  function look(key: string): void {
    const known = history.get(key) ?? []
    const due = known.findLast(({ at }) => time - at > BOUND)
    const session = reader.copies.peek(key, time, 0)
    if (!session) return
    believed += 1
    const last = known.findIndex(({ version }) => version === session.version)
    expect(last, 'what is served was acknowledged once').toBeGreaterThanOrEqual(0)
    expect(last, 'what is served is not older than the bound').toBeGreaterThanOrEqual(
      due ? known.indexOf(due) : 0,
    )
    const floor = known.findLast(({ version }) => version !== undefined)?.version ?? 0
    const again = reader.copies.peek(key, time, floor)
    expect(again?.version ?? floor, 'what is served is not below the floor').toBeGreaterThanOrEqual(floor)
  }

  await elapse(1_000)
  link.isOpen = false
  for (const step of schedule) {
    if (step.do === 'write' || step.do === 'delete') await change(KEYS[step.key] ?? '', step.do === 'delete')
    else if (step.do === 'wait') await elapse(step.time)
    else if (step.do === 'deliver')
      for (let count = step.count; count > 0 && !link.isCut && next(); count--) KEYS.forEach(look)
    else link.isCut = step.do === 'cut'
    KEYS.forEach(look)
  }
  link.isCut = false
  link.isOpen = true
  await elapse(200)
  while (next());
  await elapse(8_000)
  expect(reader.stats().isLive, 'it is right again after all').toBe(true)
  for (const key of KEYS) {
    expect(reader.copies.peek(key, time, 0)?.version).toBe(history.get(key)?.at(-1)?.version)
  }
  await Promise.all([reader.close(), writer.close()])
  return believed
}

describe('createReplicatedStore() under any schedule', () => {
  it('serves nothing older than the bound, nothing below the floor, and is right in the end', async () => {
    let believed = 0

    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (schedule) => {
        believed += await run(schedule)
      }),
      { numRuns: 300 },
    )

    expect(believed).toBeGreaterThan(100)
  }, 120_000)

  it('does not take an echo for proof while what it left out is still to come', async () => {
    // The second version is replaced before its turn: the echo comes, the third version is still on its way.
    const believed = await run([
      { do: 'write', key: 0 },
      { do: 'deliver', count: 6 },
      { do: 'wait', time: 400 },
      { do: 'deliver', count: 6 },
      { do: 'write', key: 0 },
      { do: 'wait', time: 900 },
      { do: 'wait', time: 400 },
      { do: 'write', key: 0 },
      { do: 'deliver', count: 1 },
      { do: 'deliver', count: 1 },
      { do: 'wait', time: 900 },
    ])

    expect(believed).toBeGreaterThan(0)
  })
})
