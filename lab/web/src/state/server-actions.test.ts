import { describe, expect, it } from 'vitest'
import { isLinkPossible, isPossible, linkActions, serverActions } from './server-actions.ts'

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

describe('isLinkPossible()', () => {
  it.each([
    ['whole', ['cut', 'slow']],
    ['slow', ['cut', 'heal']],
    ['cut', ['heal']],
  ] as const)('offers for a network that is %s: %s', (link, expected) => {
    const offered = linkActions.filter((action) => isLinkPossible(link, action))

    expect(offered).toEqual(expected)
  })
})
