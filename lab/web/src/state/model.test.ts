import { describe, expect, it } from 'vitest'
import type { LabEvent } from '../../../fleet/protocol.ts'
import { createEntry, createServer, createState } from '../testing/entries.ts'
import { emptyModel, HISTORY_LENGTH, type LabModel, NOTICE_LIMIT, reduceLab } from './model.ts'

function stateAt(rate: number, strategy = 'memory'): LabEvent {
  return {
    type: 'state',
    state: createState({ strategy, servers: [createServer({ requestsPerSecond: rate })] }),
  }
}

function notice(text: string): LabEvent {
  return { type: 'notice', level: 'info', text: { en: text, ko: text }, at: 0 }
}

const samplesOf = (model: LabModel): readonly number[] | undefined => model.history.samples['A']

describe('reduceLab()', () => {
  it('takes over the state of the fleet', () => {
    const model = reduceLab(emptyModel, stateAt(1, 'sqlite'), 0)

    expect(model.state?.strategy).toBe('sqlite')
  })

  it('adds requests to the feed', () => {
    const model = reduceLab(
      emptyModel,
      { type: 'requests', requests: [createEntry({ seq: 7 })], dropped: 2 },
      0,
    )

    expect(model.feed.rows.map(({ seq }) => seq)).toEqual([7])
    expect(model.feed.dropped).toBe(2)
  })

  it('samples the load once a second, however often the state comes', () => {
    const times = [0, 300, 1_000, 1_001, 1_960]

    const model = times.reduce((model, time) => reduceLab(model, stateAt(time), time), emptyModel)

    expect(samplesOf(model)).toEqual([0, 1_000, 1_960])
  })

  it('keeps a minute of samples', () => {
    let model = emptyModel

    for (let second = 0; second < HISTORY_LENGTH + 5; second++)
      model = reduceLab(model, stateAt(second), second * 1_000)

    expect(samplesOf(model)).toHaveLength(HISTORY_LENGTH)
    expect(samplesOf(model)?.at(-1)).toBe(HISTORY_LENGTH + 4)
  })

  it('begins a new line of samples on another strategy', () => {
    const model = reduceLab(emptyModel, stateAt(9), 0)

    const switched = reduceLab(model, stateAt(3, 'sqlite'), 10)

    expect(samplesOf(switched)).toEqual([3])
  })

  it('keeps the newest notices first, each with an id of its own', () => {
    let model = emptyModel

    for (let index = 0; index < NOTICE_LIMIT + 3; index++) model = reduceLab(model, notice(`n${index}`), 0)

    expect(model.notices).toHaveLength(NOTICE_LIMIT)
    expect(model.notices[0]?.text.en).toBe(`n${NOTICE_LIMIT + 2}`)
    expect(new Set(model.notices.map(({ id }) => id)).size).toBe(NOTICE_LIMIT)
  })
})
