import { describe, expect, it } from 'vitest'
import { createPool } from './pool.ts'
import { createPrincipals } from './principals.ts'

describe('createPrincipals()', () => {
  it('tells users apart whose ids have the same hash', () => {
    // Among so many ids, 32 bits of hash are the same for some pair in 99 of 100 runs.
    const count = 200_000
    const records = createPool(2)
    const names = ['', ...Array.from({ length: count }, (_, index) => `user-${index}`)]
    const principals = createPrincipals(records, { previous: 0, next: 1, principalOf: (id) => names[id] })
    for (const name of names.slice(1)) principals.add(records.allocate(), name)

    const found = names.slice(1).map((name) => principals.list(name))

    expect(found.every((ids, index) => ids.length === 1 && ids[0] === index + 1)).toBe(true)
  })
})
