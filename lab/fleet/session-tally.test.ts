import { describe, expect, it } from 'vitest'
import { createSessionTally } from './session-tally.ts'

function hold(tally: ReturnType<typeof createSessionTally>, ...handles: readonly string[]): void {
  for (const handle of handles) tally.apply({ type: 'held', handle, principal: undefined })
}

describe('createSessionTally()', () => {
  it('lists the sessions that were used last first', () => {
    const tally = createSessionTally()

    hold(tally, 'ada', 'bob', 'eve', 'ada')

    expect(tally.newest(2).map(({ handle }) => handle)).toEqual(['ada', 'eve'])
    expect(tally.count).toBe(3)
  })

  it('knows the user of a session from when it logged in', () => {
    const tally = createSessionTally()
    hold(tally, 'ada')

    tally.apply({ type: 'held', handle: 'ada', principal: 'user-1' })

    expect(tally.newest(50)).toEqual([{ handle: 'ada', principal: 'user-1' }])
  })

  it('forgets a session that is gone, and ignores that an unknown one is', () => {
    const tally = createSessionTally()
    hold(tally, 'ada', 'bob')

    tally.apply({ type: 'gone', handle: 'ada' })
    tally.apply({ type: 'gone', handle: 'nobody' })

    expect(tally.newest(50)).toEqual([{ handle: 'bob', principal: undefined }])
    expect(tally.count).toBe(1)
  })

  it('counts more sessions than it keeps', () => {
    const tally = createSessionTally()

    hold(tally, ...Array.from({ length: 1_000 }, (_, index) => `session-${index}`))

    expect(tally.count).toBe(1_000)
    expect(tally.newest(1_000)).toHaveLength(200)
    expect(tally.newest(1)).toEqual([{ handle: 'session-999', principal: undefined }])
  })

  it('is empty once it was cleared', () => {
    const tally = createSessionTally()
    hold(tally, 'ada')

    tally.clear()

    expect(tally.count).toBe(0)
    expect(tally.newest(50)).toEqual([])
  })
})
