import { describe, expect, it } from 'vitest'
import { totalCosts } from '../state/costs.ts'
import { createCosts, createLogCosts, createServer } from '../testing/entries.ts'
import { type Figure, serverFigures, totalFigures } from './cost-figures.ts'
import { createWords } from './words.ts'

const words = createWords({ getItem: () => 'en', setItem: () => undefined }, 'en')
const costs = createCosts({
  sessions: 1_200,
  bytes: 504_000,
  leaseAge: 380,
  localReads: 4_100,
  askedReads: 12,
  changesPerSecond: 6.25,
})
const replicated = { ...costs, log: createLogCosts() }

/** The lines of each figure, by its name. */
function linesOf(figures: readonly Figure[]) {
  const lines = figures.map(({ name, first = '', second = '' }) => [name, `${first}; ${second}`])
  return JSON.parse(JSON.stringify(Object.fromEntries(lines)).replaceAll('\u00a0', ' ')) as object
}

describe('serverFigures()', () => {
  it('tells what it takes to follow a log', () => {
    const figures = serverFigures(replicated, true, words)

    expect(linesOf(figures)).toEqual({
      copies: '1,200; 504 KB',
      received: '20 msg; 9 KB',
      'received-per-write': '1.5 msg; 1.5 KB',
      sent: '10 msg; 4 KB',
      'sent-per-write': '0.5 msg; 400 B',
      lag: '1.2 ms; 99% in 4.1 ms',
      lease: '380 ms; ',
      reads: '4,100 from the copy; 12 asked the leader',
    })
  })

  it('tells of a near cache what its store counts, and nothing of a log', () => {
    expect(linesOf(serverFigures(costs, false, words))).toEqual({
      copies: '1,200; 504 KB',
      changes: '6.3/s; ',
      lease: '380 ms; ',
      reads: '4,100 from the copy; 12 asked the store',
    })
  })

  it('says when copies have no data, and when none is used', () => {
    const log = createLogCosts({ isFull: false })
    const figures = serverFigures({ ...replicated, log, leaseAge: 3_100, isLive: false }, true, words)

    expect(linesOf(figures)).toMatchObject({
      copies: '1,200, metadata only; 504 KB',
      lease: '3.1 s; copies not used',
    })
    expect(figures.filter(({ bad }) => bad).map(({ name }) => name)).toEqual(['lease'])
  })

  it.each([true, false])('has the same columns when a server tells nothing; with a log: %s', (withLog) => {
    const told = serverFigures(replicated, withLog, words)

    const silent = serverFigures(undefined, withLog, words)
    const total = totalFigures(totalCosts([]), withLog, words)

    for (const figures of [silent, total]) {
      expect(figures.map(({ name }) => name)).toEqual(told.map(({ name }) => name))
    }
    expect(silent.flatMap(({ first, second }) => [first ?? [], second ?? []].flat())).toEqual([])
  })
})

describe('totalFigures()', () => {
  it('tells what all servers pay together, for a write and each second', () => {
    const total = totalCosts([createServer({ costs: replicated }), createServer({ costs: replicated })])

    expect(linesOf(totalFigures(total, true, words))).toEqual({
      copies: '1 MB; ',
      received: '40 msg; 18 KB',
      'received-per-write': '3 msg; 3 KB',
      sent: '20 msg; 8 KB',
      'sent-per-write': '1 msg; 800 B',
      lag: '; ',
      lease: '; ',
      reads: '8,200 from the copy; 24 asked the leader',
    })
  })
})
