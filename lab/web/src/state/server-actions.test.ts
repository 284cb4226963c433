import { describe, expect, it } from 'vitest'
import { isPossible, serverActions } from './server-actions.ts'

describe('isPossible()', () => {
  it.each([
    ['starting', ['kill']],
    ['ready', ['kill', 'pause', 'drain']],
    ['draining', ['kill', 'pause', 'resume']],
    ['paused', ['kill', 'resume']],
    ['stopped', ['start']],
  ] as const)('offers for a server that is %s: %s', (status, expected) => {
    const offered = serverActions.filter((action) => isPossible(status, action))

    expect(offered).toEqual(expected)
  })
})
