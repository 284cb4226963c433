import { describe, expect, it } from 'vitest'
import type { Fleet, ServerAction, ServerState, ServerStatus } from '../protocol.ts'
import { createExperiment, type ExperimentContext, type Measurement } from './experiment.ts'

const text = { en: 'all is well', ko: '이상 없음' }

function createFleet(strategy: string, statuses: Record<string, ServerStatus>) {
  const actions: string[] = []
  const after: Partial<Record<ServerAction, ServerStatus>> = {
    kill: 'stopped',
    start: 'ready',
    resume: 'ready',
    pause: 'paused',
  }
  const fleet = {
    strategy,
    state: () => ({
      servers: Object.entries(statuses).map(([id, status]) => ({ id, status }) as ServerState),
    }),
    async act(id: string, action: ServerAction) {
      actions.push(`${action} ${id}`)
      statuses[id] = after[action] ?? 'ready'
    },
  } as unknown as Fleet
  return { fleet, actions, statuses }
}

function experimentWith(measure: (context: ExperimentContext) => Promise<Measurement>) {
  return createExperiment({ name: 'F0', title: text, promises: { memory: text, sqlite: text }, measure })
}

describe('createExperiment()', () => {
  it('refuses a strategy on which it makes no sense, and names the others', async () => {
    const { fleet, actions } = createFleet('sticky', { A: 'stopped' })
    const experiment = experimentWith(async () => ({ measured: {}, met: true }))

    const run = experiment.run(fleet)

    await expect(run).rejects.toMatchObject({
      code: 'ERR_CONFLICT',
      message: 'Cannot run F0 on sticky: it runs on memory, sqlite',
    })
    expect(actions).toEqual([])
  })

  it('sets the promise of the strategy beside what was measured', async () => {
    const { fleet } = createFleet('sqlite', { A: 'ready' })
    const experiment = experimentWith(async () => ({ measured: { acked_lost: 0 }, met: true }))

    const result = await experiment.run(fleet)

    expect(result).toMatchObject({
      experiment: 'F0',
      strategy: 'sqlite',
      promise: text,
      measured: { acked_lost: 0 },
      met: true,
    })
    expect(result.milliseconds).toBeGreaterThanOrEqual(0)
  })

  it('leaves every server running, even when it fails', async () => {
    const { fleet, statuses } = createFleet('sqlite', { A: 'ready', B: 'ready', C: 'ready' })
    const experiment = experimentWith(async () => {
      await fleet.act('A', 'kill')
      await fleet.act('B', 'pause')
      throw new Error('broken')
    })

    const run = experiment.run(fleet)

    await expect(run).rejects.toThrow('broken')
    expect(statuses).toEqual({ A: 'ready', B: 'ready', C: 'ready' })
  })

  it('starts what was stopped before, as it needs a whole fleet', async () => {
    const { fleet, actions } = createFleet('sqlite', { A: 'stopped', B: 'draining', C: 'paused' })
    const experiment = experimentWith(async () => {
      actions.push('measure')
      return { measured: {}, met: true }
    })

    await experiment.run(fleet)

    expect(actions).toEqual(['start A', 'kill B', 'start B', 'resume C', 'measure'])
  })
})
