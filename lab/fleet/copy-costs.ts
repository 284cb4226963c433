/**
 * What the copies of sessions in a server process cost: counted by the store, and put into rates.
 *
 * @module
 */

import type { NearCacheStats } from 'coatcheck/stores/near-cache'
import type { ReplicatedStats } from 'coatcheck/stores/replicated'
import type { CopyCosts, LogCosts, LogTraffic } from './protocol.ts'

/** {@link CopyCosts} as a store counts them: no rates yet, and `Infinity` for a lease that was never proven. */
export interface CopyCounts extends Omit<CopyCosts, 'leaseAge' | 'changesPerSecond' | 'log'> {
  readonly leaseAge: number
  readonly log: Pick<LogCosts, 'isFull' | 'lag' | 'total'> | undefined
}

/** Names what a replicated store counts. */
export function countReplication(stats: ReplicatedStats): CopyCounts {
  const { sessions, copyBytes, leaseAge, isLive, localReads, leaderReads, changes } = stats
  const { isFull, lag, traffic } = stats
  return {
    sessions,
    bytes: copyBytes,
    leaseAge,
    isLive,
    localReads,
    askedReads: leaderReads,
    changes,
    log: { isFull, lag, total: traffic },
  }
}

/**
 * Names what a near cache counts.
 *
 * @param bound Age of the lease beyond which no copy is served, in milliseconds.
 */
export function countNearCache(stats: NearCacheStats, bound: number): CopyCounts {
  const { size, bytes, leaseAge, hits, misses, invalidations } = stats
  return {
    sessions: size,
    bytes,
    leaseAge,
    isLive: leaseAge <= bound,
    localReads: hits,
    askedReads: misses,
    changes: invalidations,
    log: undefined,
  }
}

/** What was counted at an instant of the monotonic clock. */
interface Sample extends Pick<CopyCounts, 'changes' | 'log'> {
  readonly at: number
}

/** Rates are of the last ten seconds, in milliseconds: a second alone has too few writes to speak of. */
const WINDOW = 10_000

/**
 * Creates a meter that reads the counts and adds the rates. Called once a second, it holds a dozen samples.
 *
 * @param monotonic Monotonic clock, in milliseconds.
 */
export function createCostMeter(count: () => CopyCounts, monotonic: () => number): () => CopyCosts {
  const samples: Sample[] = [{ ...count(), at: monotonic() }]

  return () => {
    const counts = count()
    const { changes, leaseAge, log } = counts
    const at = monotonic()
    // One that is older than the window stays: a rate is of the whole window, or of all the time there was.
    while (samples[1] && samples[1].at <= at - WINDOW) samples.shift()
    const since = samples[0] ?? { at, changes, log }
    samples.push({ at, changes, log })
    const seconds = (at - since.at) / 1_000
    return {
      ...counts,
      leaseAge: leaseAge === Number.POSITIVE_INFINITY ? undefined : leaseAge,
      changesPerSecond: share(changes - since.changes, seconds),
      log: log && {
        ...log,
        perSecond: spread(log.total, since.log?.total, seconds),
        perChange:
          changes > since.changes ? spread(log.total, since.log?.total, changes - since.changes) : undefined,
      },
    }
  }
}

/** The growth from one reading to the next, for each of so many seconds or changes. */
function spread(to: LogTraffic, from: LogTraffic = to, over: number): LogTraffic {
  return {
    messagesIn: share(to.messagesIn - from.messagesIn, over),
    messagesOut: share(to.messagesOut - from.messagesOut, over),
    bytesIn: share(to.bytesIn - from.bytesIn, over),
    bytesOut: share(to.bytesOut - from.bytesOut, over),
  }
}

function share(amount: number, over: number): number {
  return over > 0 ? amount / over : 0
}
