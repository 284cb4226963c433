import { describe, expect, it } from 'vitest'
import type { StrategyInfo } from '../../../fleet/protocol.ts'
import { groupByWay } from './ways.ts'

function named(...names: readonly string[]): readonly StrategyInfo[] {
  const text = { en: '', ko: '' }
  return names.map((name) => ({
    name,
    title: text,
    summary: text,
    routing: 'random',
    unavailable: undefined,
  }))
}

describe('groupByWay()', () => {
  it('puts strategies together that go the same way, in the order of the ways', () => {
    const groups = groupByWay(named('redis', 'sqlite', 'memory', 'postgres'))

    expect(
      groups.map(({ way, number, strategies: some }) => [way, number, some.map(({ name }) => name)]),
    ).toEqual([
      ['memory', 1, ['memory']],
      ['database', 4, ['sqlite', 'postgres']],
      ['store', 6, ['redis']],
    ])
  })

  it('knows the way of every strategy of the lab', () => {
    const groups = groupByWay(
      named(
        'sealed',
        'token',
        'memcached',
        'redis-cluster',
        'redis-sentinel',
        'redis-cached',
        'redis',
      ).concat(
        named('postgres-cached', 'postgres', 'sqlite-cached', 'sqlite', 'replicated', 'sticky', 'memory'),
      ),
    )

    expect(groups.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6, 7])
    expect(groups.map((group) => group.strategies.length)).toEqual([1, 1, 1, 2, 3, 4, 2])
  })

  it('leaves out no strategy that it does not know', () => {
    expect(groupByWay(named('new'))).toMatchObject([{ way: 'other', strategies: [{ name: 'new' }] }])
  })
})
