/**
 * Which strategies an experiment runs on, and what it promises to each, by what the strategies say of themselves.
 *
 * @module
 */

import type { LabText } from '../protocol.ts'
import { strategies } from '../strategies.ts'
import type { Strategy } from '../strategy.ts'

/** What an experiment promises, by the name of a strategy or by the kind of its back end. */
export interface GroupPromises {
  /** Each server by itself, any server for any request. */
  readonly memory?: LabText
  /** Each server by itself, the same server for the same visitor. */
  readonly sticky?: LabText
  /** One back end for all servers, and what follows where nothing else is said. */
  readonly shared?: LabText
  /** A back end, and copies in the servers that may be as old as the bound. */
  readonly cached?: LabText
  /** A back end of which another server takes over. */
  readonly failover?: LabText
  /** A back end that loses the sessions of a server that is killed. */
  readonly lossy?: LabText
}

/**
 * Spells promises out for every strategy that they are made to.
 *
 * @param suits Which of the strategies with a back end the experiment can be run on.
 * @default all of them
 */
export function promiseTo(
  promises: GroupPromises,
  suits: (strategy: Strategy) => boolean = () => true,
): Readonly<Record<string, LabText>> {
  return Object.fromEntries(
    strategies.flatMap((strategy) => {
      const promise = findPromise(strategy, promises, suits)
      return promise ? [[strategy.name, promise]] : []
    }),
  )
}

/** Whether what a server has to know comes with the request, so that there is no back end to ask for it. */
export function isStateless(strategy: string): boolean {
  return strategy === 'token' || strategy === 'sealed'
}

/** What each strategy with a back end has in common with the others of its group comes before what all share. */
function findPromise(
  strategy: Strategy,
  { memory, sticky, shared, cached, failover, lossy }: GroupPromises,
  suits: (strategy: Strategy) => boolean,
): LabText | undefined {
  if (strategy.name === 'memory') return memory
  if (strategy.name === 'sticky') return sticky
  if (!strategy.backEnd || !suits(strategy)) return undefined
  const { bound, engineDeath } = strategy.promises
  const own = [
    engineDeath === 'failover' && failover,
    engineDeath === 'loss' && lossy,
    bound !== undefined && cached,
  ]
  return own.find((promise) => promise !== false && promise !== undefined) || shared
}
