import { describe, expect, it } from 'vitest'
import type {
  EngineAction,
  EngineState,
  EngineStatus,
  Fleet,
  LinkState,
  ServerAction,
  ServerState,
  ServerStatus,
} from '../protocol.ts'
import { createExperiment, type ExperimentContext, type Measurement } from './experiment.ts'

const text = { en: 'all is well', ko: '이상 없음' }

function createFleet(
  strategy: string,
  statuses: Record<string, ServerStatus>,
  engines: Record<string, EngineStatus> = {},
  links: Record<string, LinkState> = {},
) {
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
      engines: Object.entries(engines).map(([name, status]) => ({ name, status }) as EngineState),
      servers: Object.entries(statuses).map(
        ([id, status]) => ({ id, status, link: links[id] }) as ServerState,
      ),
    }),
    async act(id: string, action: ServerAction) {
      actions.push(`${action} ${id}`)
      if (action === 'heal') {
        links[id] = 'whole'
        return
      }
      statuses[id] = after[action] ?? 'ready'
    },
    async actOnEngine(name: string, action: EngineAction) {
      actions.push(`${action} ${name}`)
      engines[name] = action === 'kill' ? 'stopped' : action === 'pause' ? 'paused' : 'ready'
    },
  } as unknown as Fleet
  return { fleet, actions, statuses, engines }
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

  it('leaves every engine running, before its servers are asked for anything', async () => {
    const { fleet, actions, engines } = createFleet('sqlite', { A: 'ready' }, { 'redis-1': 'ready' })
    const experiment = experimentWith(async () => {
      await fleet.actOnEngine('redis-1', 'kill')
      await fleet.act('A', 'kill')
      return { measured: {}, met: true }
    })
    engines['redis-2'] = 'paused'

    await experiment.run(fleet)

    expect(engines).toEqual({ 'redis-1': 'ready', 'redis-2': 'ready' })
    expect(actions).toEqual(['resume redis-2', 'kill redis-1', 'kill A', 'start redis-1', 'start A'])
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

  it('heals the networks that are broken, those of stopped servers before they are started', async () => {
    const links: Record<string, LinkState> = { A: 'whole', B: 'cut', C: 'slow' }
    const { fleet, actions } = createFleet('sqlite', { A: 'ready', B: 'stopped', C: 'ready' }, {}, links)
    const experiment = experimentWith(async () => ({ measured: {}, met: true }))

    await experiment.run(fleet)

    expect(actions).toEqual(['heal B', 'heal C', 'start B'])
  })
})
