import { describe, expect, it } from 'vitest'
import { createDenials } from './denials.ts'

const entryOf = (subject: string, expiresAt: number) =>
  ({ kind: 'session', subject, validFrom: 0, expiresAt }) as const

describe('createDenials()', () => {
  it('holds 200,000 logouts without slowing down', () => {
    const denials = createDenials()
    const fill = (from: number) => {
      const startedAt = performance.now()
      for (let index = from; index < from + 50_000; index++) denials.add(entryOf(`s${index}`, 1_000), 0)
      return performance.now() - startedAt
    }

    const first = fill(0)
    fill(50_000)
    fill(100_000)
    const last = fill(150_000)

    expect(denials.size).toBe(200_000)
    // A walk over the holes of what was deleted would cost more with each entry.
    expect(last).toBeLessThan(first * 4 + 200)
  })

  it('lets the expired leave as fast as others come', () => {
    const denials = createDenials()
    for (let index = 0; index < 1_000; index++) denials.add(entryOf(`old${index}`, 10), 0)

    for (let index = 0; index < 1_100; index++) denials.add(entryOf(`new${index}`, 1_000), 10)

    expect(denials.size).toBe(1_100)
    expect(denials.isDenied({ sub: 'ada', sid: 'old7', iat: 0 })).toBe(false)
    expect(denials.list(10)).toHaveLength(1_100)
  })
})
