/**
 * The back-end servers of the present strategy.
 *
 * @module
 */

import type { Engine } from '../engines/engine.ts'
import type { EngineGroup } from '../engines/group.ts'
import type { Guard } from '../engines/guard.ts'
import { LabError, unknownName } from './lab-error.ts'
import type { EngineAction, EngineState, EngineStatus } from './protocol.ts'
import type { EngineAddress, EngineAddresses, Strategy } from './strategy.ts'

/** What the engines need, and whom they tell. */
export interface FleetEnginesContext {
  readonly guard: Guard
  /** The state has changed. */
  readonly onChange: () => void
  /** An engine has ended that nobody asked to end. */
  readonly onCrash: (name: string, how: string) => void
}

/** The back-end servers of the present strategy; none at first. */
export interface FleetEngines {
  states(): readonly EngineState[]
  /** What a process needs to reach them, as JSON. */
  addresses(): { readonly engines: readonly EngineAddress[]; readonly addresses: EngineAddresses }
  /** Starts what the strategy needs. Resolves when all of it answers; leaves nothing behind when it rejects. */
  start(strategy: Strategy): Promise<void>
  /** Ends all of them, with their data. */
  end(): Promise<void>
  /** Resolves, when the action has taken effect, to what the engine did before and does now. */
  act(name: string, action: EngineAction): Promise<readonly [before: EngineStatus, after: EngineStatus]>
}

/** Holds the back-end servers of one strategy after the other. */
export function createFleetEngines({ guard, onChange, onCrash }: FleetEnginesContext): FleetEngines {
  let group: (EngineGroup & EngineAddresses) | undefined
  const starting = new Set<string>()

  function list(): readonly Engine[] {
    return group?.engines ?? []
  }

  function find(name: string): Engine {
    const engine = list().find((candidate) => candidate.name === name)
    if (!engine)
      throw unknownName(
        'engine',
        name,
        list().map((known) => known.name),
      )
    return engine
  }

  async function start(engine: Engine): Promise<void> {
    const { name } = engine
    starting.add(name)
    try {
      await engine.start()
    } catch (cause) {
      throw new LabError('ERR_UNAVAILABLE', (cause as Error).message, { cause })
    } finally {
      starting.delete(name)
    }
  }

  return {
    states: () => list().map(({ name, pid, port, status }) => ({ name, pid, port, status })),
    addresses() {
      const { url, standbyUrl, servers, sentinels, masterName, nodes }: EngineAddresses = group ?? {}
      const addresses = { url, standbyUrl, servers, sentinels, masterName, nodes }
      return { engines: list().map(({ name, port }) => ({ name, port })), addresses }
    },
    async start(strategy) {
      group = await strategy.startEngines?.({
        guard,
        onCrash(name, how) {
          onChange()
          onCrash(name, how)
        },
      })
      onChange()
    },
    async end() {
      const ending = group
      group = undefined
      await ending?.close()
    },
    async act(name, action) {
      const engine = find(name)
      const before = engine.status
      if (starting.has(name) && action !== 'kill') throw new LabError('ERR_CONFLICT', `${name} is starting`)
      if (before === 'stopped' && (action === 'pause' || action === 'resume')) {
        throw new LabError('ERR_CONFLICT', `${name} is not running`)
      }

      if (action === 'kill') await engine.kill()
      if (action === 'pause') await engine.pause()
      if (action === 'resume' || (action === 'start' && before === 'paused')) await engine.resume()
      if (action === 'start' && before === 'stopped') await start(engine)
      onChange()
      return [before, engine.status]
    },
  }
}
