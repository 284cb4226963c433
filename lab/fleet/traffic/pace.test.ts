import { describe, expect, it } from 'vitest'
import { createPace } from './pace.ts'

describe('createPace()', () => {
  it('runs no more tasks at a time than it allows, and all of them in the end', async () => {
    const pace = createPace(2)
    let running = 0
    let most = 0
    const task = async (value: number) => {
      most = Math.max(most, ++running)
      await new Promise((resolve) => setImmediate(resolve))
      running--
      return value
    }

    const results = await Promise.all([1, 2, 3, 4, 5].map((value) => pace(() => task(value))))

    expect(results).toEqual([1, 2, 3, 4, 5])
    expect(most).toBe(2)
  })

  it('goes on after a task that failed', async () => {
    const pace = createPace(1)

    const outcomes = await Promise.allSettled([
      pace(() => Promise.reject(new Error('no'))),
      pace(async () => 'yes'),
    ])

    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'fulfilled'])
  })
})
