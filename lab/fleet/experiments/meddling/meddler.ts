/**
 * What an outsider can do to the place where sessions are, behind the back of the servers: one interface for all of them.
 *
 * @module
 */

import type { EngineState, Fleet } from '../../protocol.ts'
import { findStrategy } from '../../strategies.ts'
import type { BackEnd, Strategy } from '../../strategy.ts'
import { createMemcachedMeddler } from './memcached.ts'
import { createNatsMeddler } from './nats.ts'
import { createPostgresMeddler } from './postgres.ts'
import { createRedisMeddler } from './redis.ts'
import { createSqliteMeddler } from './sqlite.ts'

/** Somebody with a shell on the machine of the back end. */
export interface Meddler {
  /** Removes every session, and whatever else is there. */
  wipe(): Promise<void>
  /** Removes even the place where sessions are, which the servers have to make anew; where that is more than wiping it. */
  readonly destroy?: () => Promise<void>
  /** Overwrites the data of a session with something else. Resolves to whether there was such a session. */
  damage(handle: string, data: string): Promise<boolean>
  /** Whether a damaged session was set aside, where an operator finds it; deleted, on memcached. */
  isSetAside(handle: string): Promise<boolean>
  /** Which of the sessions are there, expired or not; where they are on one engine each, by its name. */
  find(handles: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Names of the engines that take writes at the moment. */
  primaries(): Promise<readonly string[]>
  /** Names of all engines that hold sessions. */
  keepers(): readonly string[]
  /** Commands, transactions or entries of a log so far, over all engines that take writes; `undefined` when nobody counts them. */
  countCommands(): Promise<number | undefined>
  /** Whether a write of the outsider's own is taken and read back; where engines have to agree first on who takes writes. */
  readonly takesWrites?: () => Promise<boolean>
}

const meddlers: Partial<Record<BackEnd, (fleet: Fleet) => Meddler>> = {
  sqlite: createSqliteMeddler,
  postgres: createPostgresMeddler,
  redis: createRedisMeddler,
  memcached: createMemcachedMeddler,
  nats: createNatsMeddler,
}

/** Whether there is a {@link Meddler} for a strategy. */
export function canMeddle({ backEnd }: Strategy): boolean {
  return backEnd !== undefined && meddlers[backEnd] !== undefined
}

/**
 * Creates the outsider for the back end of the fleet's strategy.
 *
 * @throws When nobody knows how to meddle with it.
 */
export function createMeddler(fleet: Fleet): Meddler {
  const backEnd = findStrategy(fleet.strategy)?.backEnd
  const create = backEnd && meddlers[backEnd]
  if (!create) throw new Error(`Cannot meddle with the back end of strategy ${fleet.strategy}`)
  return create(fleet)
}

/** Engines of the fleet whose names begin with a word. */
export function listEngines(fleet: Fleet, prefix: string): readonly EngineState[] {
  return fleet.state().engines.filter(({ name }) => name.startsWith(prefix))
}
