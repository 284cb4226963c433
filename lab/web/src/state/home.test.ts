import { describe, expect, it } from 'vitest'
import { backKind, heldByServers, isWithVisitor, sessionHome } from './home.ts'

const engine = { name: 'redis-1', pid: 1, port: 2, status: 'ready' } as const
const postgres = { ...engine, name: 'postgres' }

describe('sessionHome()', () => {
  it.each([
    ['memory', [], 'servers'],
    ['sticky', [], 'servers'],
    ['sqlite', [], 'file'],
    ['sqlite-cached', [], 'file-copied'],
    ['sealed', [], 'sealed'],
    ['token', [], 'token'],
    ['replicated', [{ ...engine, name: 'nats-1' }], 'copies'],
    ['redis', [engine], 'engines'],
    ['redis-cached', [engine], 'engines-copied'],
    ['postgres-cached', [postgres], 'engines-copied'],
  ] as const)('finds the sessions of %s', (strategy, engines, home) => {
    expect(sessionHome({ strategy, engines })).toBe(home)
  })

  it('says nothing of a strategy that it does not know', () => {
    expect(sessionHome({ strategy: 'new', engines: [] })).toBeUndefined()
  })
})

describe('heldByServers()', () => {
  it.each([
    ['servers', 'sessions'],
    ['copies', 'all'],
    ['file', undefined],
    ['file-copied', 'copies'],
    ['engines', undefined],
    ['engines-copied', 'copies'],
    ['sealed', undefined],
    ['token', undefined],
  ] as const)('tells what servers hold when the home is %s', (home, holding) => {
    expect(heldByServers(home)).toBe(holding)
  })
})

describe('isWithVisitor()', () => {
  it.each([
    ['sealed', true],
    ['token', true],
    ['copies', false],
    [undefined, false],
  ] as const)('tells of %s: %s', (home, expected) => {
    expect(isWithVisitor(home)).toBe(expected)
  })
})

describe('backKind()', () => {
  it.each([
    ['servers', [], undefined],
    ['file', [], 'database'],
    ['engines-copied', [postgres], 'database'],
    ['engines', [engine], 'store'],
    ['copies', [{ ...engine, name: 'nats-1' }], 'log'],
    ['sealed', [], 'revocations'],
    ['token', [], 'revocations'],
  ] as const)('tells what stands behind servers of the home %s', (home, engines, kind) => {
    expect(backKind(home, engines)).toBe(kind)
  })
})
