import { describe, expect, it, vi } from 'vitest'
import { createHearsay } from './hearsay.ts'
import type { CopyCosts } from './protocol.ts'
import { createReports, type ServerAccount } from './reports.ts'
import { createSessionTally } from './session-tally.ts'

function createTrial(sharesSessions = true) {
  const accounts = ['A', 'B'].map((id): ServerAccount => ({
    id,
    tally: createSessionTally(),
    costs: createHearsay(3_000, () => 0),
  }))
  const onChange = vi.fn<() => void>()
  const onIncident = vi.fn<() => void>()
  const receive = createReports(accounts, { sharesSessions: () => sharesSessions, onChange, onIncident })
  const sessions = () =>
    accounts.map(({ tally }) =>
      tally
        .newest(9)
        .map(({ handle }) => handle)
        .join(),
    )
  return { receive, onChange, onIncident, accounts, sessions }
}

const held = (handle: string) => ({ type: 'held', handle, principal: undefined }) as const

describe('createReports()', () => {
  it('keeps what a server tells of its costs, and asks nobody to show it sooner', () => {
    const { receive, accounts, onChange } = createTrial()
    const costs = { sessions: 7 } as CopyCosts

    receive('B', { type: 'costs', costs })

    expect(accounts.map((account) => account.costs.latest())).toEqual([undefined, costs])
    expect(onChange).not.toHaveBeenCalled()
  })

  it.each([
    ['all servers', true, ['', '']],
    ['the server that says so', false, ['', 'ada']],
  ])('lets a session that is gone be gone for %s', (_whom, shared, left) => {
    const { receive, sessions, onChange } = createTrial(shared)
    for (const id of ['A', 'B']) receive(id, { type: 'sessions', changes: [held('ada')] })

    receive('A', { type: 'sessions', changes: [{ type: 'gone', handle: 'ada' }] })

    expect(sessions()).toEqual(left)
    expect(onChange).toHaveBeenCalledTimes(3)
  })

  it('counts a session for the server that had it', () => {
    const { receive, sessions } = createTrial()

    receive('B', { type: 'sessions', changes: [held('ada')] })

    expect(sessions()).toEqual(['', 'ada'])
  })

  it('passes on what an operator should know', () => {
    const { receive, onIncident } = createTrial()

    receive('A', { type: 'incident', incident: 'storeDown' })

    expect(onIncident).toHaveBeenCalledExactlyOnceWith('A', 'storeDown')
  })
})
