import { describe, expect, it } from 'vitest'
import type { SessionStore } from '../stores/store.ts'
import { guardStore } from './guard.ts'

const TIMEOUT = 100

/** A store whose reads are answered by hand, behind its guard. */
function createGuarded() {
  const answers = new Map<string, () => void>()
  const store = {
    name: 'slow',
    read: (key: string) => new Promise((resolve) => answers.set(key, () => resolve({ key }))),
  } as unknown as SessionStore
  const guarded = guardStore(store, { timeout: TIMEOUT, onDown: () => undefined, onUp: () => undefined })
  return { guarded, answer: (key: number) => answers.get(String(key))?.() }
}

describe('guardStore()', () => {
  it('gives up exactly those of many calls that were not answered, in whatever order the others were', async () => {
    const { guarded, answer } = createGuarded()
    const keys = Array.from({ length: 300 }, (_, key) => key)

    const calls = keys.map((key) => guarded.read(String(key)))
    for (const key of keys.toReversed()) if (key % 3 !== 0) answer(key)
    const settled = await Promise.allSettled(calls)

    expect(settled.map(({ status }) => status)).toEqual(
      keys.map((key) => (key % 3 === 0 ? 'rejected' : 'fulfilled')),
    )
  })

  it('gives up calls of later turns in their own time, after any number of them', async () => {
    const { guarded, answer } = createGuarded()
    const waits: number[] = []
    const measure = async (key: number): Promise<void> => {
      const startedAt = performance.now()
      await guarded.read(String(key)).catch(() => waits.push(performance.now() - startedAt))
    }

    const first = measure(0)
    for (let key = 1; key <= 1_000; key++) {
      const call = guarded.read(String(key))
      answer(key)
      await call
    }
    await new Promise((resolve) => setTimeout(resolve, TIMEOUT / 2))
    await Promise.all([first, measure(-1)])

    expect(waits).toHaveLength(2)
    expect(Math.min(...waits)).toBeGreaterThanOrEqual(TIMEOUT - 1)
  })
})
