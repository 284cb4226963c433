import { describe, expect, it } from 'vitest'
import { sessionHome } from './home.ts'

const redis = { name: 'redis-1', pid: 1, port: 2, status: 'ready' } as const

describe('sessionHome()', () => {
  it.each([
    ['memory', [], 'servers'],
    ['sticky', [], 'servers'],
    ['sqlite', [], 'file'],
    ['sealed', [], 'browser'],
    ['replicated', [{ ...redis, name: 'nats-1' }], 'copies'],
    ['redis', [redis], 'engines'],
  ] as const)('finds the sessions of %s', (strategy, engines, home) => {
    expect(sessionHome({ strategy, engines })).toBe(home)
  })

  it('says nothing of a strategy that it does not know', () => {
    expect(sessionHome({ strategy: 'new', engines: [] })).toBeUndefined()
  })
})
