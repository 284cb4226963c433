/**
 * What copies cost on all servers together.
 *
 * @module
 */

import type { CopyCosts, LogTraffic, ServerState } from '../../../fleet/protocol.ts'

/** Sums over the servers that tell what their copies cost. */
export interface TotalCosts {
  /** Bytes of memory. */
  readonly bytes: number
  readonly localReads: number
  readonly askedReads: number
  /** Changes of sessions each second, as the server has it that heard of most. */
  readonly changesPerSecond: number
  /** `undefined` when nobody follows a log. */
  readonly perSecond: LogTraffic | undefined
  /** What one write costs all servers; `undefined` when nobody has heard of one lately. */
  readonly perChange: LogTraffic | undefined
}

/** Adds up the costs of all servers. */
export function totalCosts(servers: readonly Pick<ServerState, 'costs'>[]): TotalCosts {
  const told = servers.flatMap(({ costs }) => costs ?? [])
  return {
    bytes: sum(told, ({ bytes }) => bytes),
    localReads: sum(told, ({ localReads }) => localReads),
    askedReads: sum(told, ({ askedReads }) => askedReads),
    // Every change is told to every server, so the figures of several are not to be added up.
    changesPerSecond: Math.max(0, ...told.map(({ changesPerSecond }) => changesPerSecond)),
    perSecond: sumTraffic(told, ({ log }) => log?.perSecond),
    perChange: sumTraffic(told, ({ log }) => log?.perChange),
  }
}

function sumTraffic(
  told: readonly CopyCosts[],
  of: (costs: CopyCosts) => LogTraffic | undefined,
): LogTraffic | undefined {
  const parts = told.flatMap((costs) => of(costs) ?? [])
  if (parts.length === 0) return undefined
  return {
    messagesIn: sum(parts, ({ messagesIn }) => messagesIn),
    messagesOut: sum(parts, ({ messagesOut }) => messagesOut),
    bytesIn: sum(parts, ({ bytesIn }) => bytesIn),
    bytesOut: sum(parts, ({ bytesOut }) => bytesOut),
  }
}

function sum<Value>(values: readonly Value[], of: (value: Value) => number): number {
  return values.reduce((total, value) => total + of(value), 0)
}
