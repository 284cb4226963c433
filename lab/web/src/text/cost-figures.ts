/**
 * What copies cost, in words: one figure for each column of the table.
 *
 * @module
 */

import type { CopyCosts, LogTraffic } from '../../../fleet/protocol.ts'
import type { TotalCosts } from '../state/costs.ts'
import { formatBytes, formatDuration } from './format.ts'
import type { Words } from './words.ts'

/** What stands in one cell, in one line or two; no line: there is nothing to say. */
export interface Figure {
  /** Name of the column. */
  readonly name: string
  readonly first?: string | undefined
  readonly second?: string | undefined
  /** It is not as it should be. */
  readonly bad?: boolean
}

type Speaker = Pick<Words, 't'>

/** Figures of one server; each is empty when the server tells nothing. */
export function serverFigures(
  costs: CopyCosts | undefined,
  withLog: boolean,
  words: Speaker,
): readonly Figure[] {
  const { log, leaseAge } = costs ?? {}
  const sessions = log?.isFull === false ? 'costs.metadata' : 'costs.sessions'
  return [
    {
      name: 'copies',
      first: costs && words.t(sessions, { n: costs.sessions }),
      second: costs && formatBytes(costs.bytes),
    },
    ...(withLog
      ? [
          ...trafficFigures(log?.perSecond, log?.perChange, words),
          {
            name: 'lag',
            first: log && formatDuration(log.lag.p50),
            second: log && words.t('costs.most', { value: formatDuration(log.lag.p99) }),
          },
        ]
      : [{ name: 'changes', first: costs && words.t('perSecond', { n: costs.changesPerSecond }) }]),
    {
      name: 'lease',
      first: leaseAge === undefined ? undefined : formatDuration(leaseAge),
      second: costs && !costs.isLive ? words.t('costs.lapsed') : undefined,
      bad: costs?.isLive === false,
    },
    costs ? readsFigure(costs, withLog, words) : { name: 'reads' },
  ]
}

/** Figures of all servers together; what cannot be added up is empty. */
export function totalFigures(total: TotalCosts, withLog: boolean, words: Speaker): readonly Figure[] {
  return [
    { name: 'copies', first: formatBytes(total.bytes) },
    ...(withLog
      ? [...trafficFigures(total.perSecond, total.perChange, words), { name: 'lag' }]
      : [{ name: 'changes' }]),
    { name: 'lease' },
    readsFigure(total, withLog, words),
  ]
}

function trafficFigures(
  perSecond: LogTraffic | undefined,
  perWrite: LogTraffic | undefined,
  words: Speaker,
): readonly Figure[] {
  return [
    trafficFigure('received', perSecond?.messagesIn, perSecond?.bytesIn, words),
    trafficFigure('received-per-write', perWrite?.messagesIn, perWrite?.bytesIn, words),
    trafficFigure('sent', perSecond?.messagesOut, perSecond?.bytesOut, words),
    trafficFigure('sent-per-write', perWrite?.messagesOut, perWrite?.bytesOut, words),
  ]
}

function trafficFigure(
  name: string,
  messages: number | undefined,
  bytes: number | undefined,
  words: Speaker,
): Figure {
  if (messages === undefined || bytes === undefined) return { name }
  return { name, first: words.t('costs.messages', { n: messages }), second: formatBytes(bytes) }
}

function readsFigure(
  { localReads, askedReads }: Pick<CopyCosts, 'localReads' | 'askedReads'>,
  withLog: boolean,
  words: Speaker,
): Figure {
  return {
    name: 'reads',
    first: words.t('costs.local', { n: localReads }),
    second: words.t(withLog ? 'costs.askedLeader' : 'costs.askedStore', { n: askedReads }),
  }
}
