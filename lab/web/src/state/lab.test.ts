import { describe, expect, it } from 'vitest'
import type { ExperimentResult } from '../../../fleet/protocol.ts'
import { createEntry, createState, createTraffic } from '../testing/entries.ts'
import { type Control, ControlError } from './control.ts'
import { createLab } from './lab.ts'
import { createToasts } from './toasts.ts'

/** A page whose controls note the calls and answer as they are told. */
function createTrial(answer: () => Promise<unknown> = async () => {}) {
  const calls: unknown[][] = []
  const call =
    (name: string) =>
    async (...values: unknown[]): Promise<unknown> => {
      calls.push([name, ...values])
      return answer()
    }
  const control = {
    switchStrategy: call('strategy'),
    actOnServer: call('server'),
    actOnEngine: call('engine'),
    setTraffic: call('traffic'),
    runExperiment: call('experiment'),
  } as Control
  const lab = createLab(control, { toasts: createToasts({ schedule: () => {} }), now: () => 0 })
  return { lab, calls }
}

describe('createLab()', () => {
  it('shows what the fleet says', () => {
    const { lab } = createTrial()

    lab.receive({ type: 'state', state: createState({ strategy: 'sqlite' }) })

    expect(lab.state.value?.strategy).toBe('sqlite')
  })

  it('hands requests to those who draw them, until they stop', () => {
    const { lab } = createTrial()
    const seen: number[] = []
    const stop = lab.onRequests((requests) => seen.push(...requests.map(({ seq }) => seq)))

    lab.receive({ type: 'requests', requests: [createEntry({ seq: 1 })], dropped: 0 })
    stop()
    lab.receive({ type: 'requests', requests: [createEntry({ seq: 2 })], dropped: 0 })

    expect(seen).toEqual([1])
  })

  it('puts a notice of the fleet over the page', () => {
    const { lab } = createTrial()

    lab.receive({ type: 'notice', level: 'warning', text: { en: 'B died', ko: 'B가 죽음' }, at: 0 })

    expect(lab.toasts.list.value).toMatchObject([{ level: 'warning', text: { en: 'B died' } }])
    expect(lab.model.value.notices).toHaveLength(1)
  })

  it('tells the person why an action was refused', async () => {
    const { lab } = createTrial(() => Promise.reject(new ControlError('Server B is not running', 409)))

    await lab.actOnServer('B', 'pause')

    expect(lab.toasts.list.value).toMatchObject([{ level: 'error', text: { en: 'Server B is not running' } }])
    expect(lab.isPending('servers/B')).toBe(false)
  })

  it('speaks both languages when no answer came', async () => {
    const { lab } = createTrial(() => Promise.reject(new ControlError('silence', undefined)))

    await lab.actOnServer('B', 'pause')

    expect(lab.toasts.list.value[0]?.text.ko).toMatch(/제어 서버/)
  })

  it('does not act twice on a server while the first action is under way', async () => {
    let finish = (): void => {}
    const { lab, calls } = createTrial(() => new Promise<void>((resolve) => (finish = resolve)))

    const first = lab.actOnServer('B', 'kill')
    const pending = lab.isPending('servers/B')
    await lab.actOnServer('B', 'kill')
    finish()
    await first

    expect(pending).toBe(true)
    expect(calls).toEqual([['server', 'B', 'kill']])
  })

  it.each([{ visitors: 12 }, { rate: 80 }])('sends what changed of the traffic: %j', async (change) => {
    const { lab, calls } = createTrial()
    lab.receive({
      type: 'state',
      state: createState({ traffic: createTraffic({ visitors: 200, rate: 50 }) }),
    })

    await lab.setTraffic(change)

    expect(calls).toEqual([['traffic', change]])
  })

  it('lets a newer number of visitors replace the older one, and not the pace', async () => {
    const { lab, calls } = createTrial()

    await Promise.all([{ visitors: 5 }, { visitors: 6 }, { rate: 70 }, { visitors: 7 }].map(lab.setTraffic))

    expect(calls).toEqual([
      ['traffic', { visitors: 5 }],
      ['traffic', { rate: 70 }],
      ['traffic', { visitors: 7 }],
    ])
  })

  it('keeps the latest result of an experiment', async () => {
    const result = { experiment: 'F1', met: true } as ExperimentResult
    const { lab } = createTrial(async () => result)

    await lab.runExperiment('F1')

    expect(lab.results.value).toEqual({ F1: result })
  })
})
