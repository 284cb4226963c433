import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { openTokens, prepareTokens } from './server-tokens.ts'
import { findStrategy } from './strategies.ts'

const HOUR = 3_600_000

/** A strategy of the lab, opened by a server whose clock is an hour ahead. */
async function open(name: string) {
  const folder = await mkdtemp(join(tmpdir(), 'strategies-test-'))
  const context = { folder, now: () => Date.now() + HOUR, engines: [], addresses: {} }
  const strategy = findStrategy(name)
  await strategy?.prepare?.(context)
  await prepareTokens(folder)
  const tokens = await openTokens(folder, context.now)
  const exec = vi.spyOn(Database.prototype, 'exec')
  const backEnd = await strategy!.open({ ...context, feedAddresses: {}, tokens })
  if (!('store' in backEnd)) throw new Error(`${name} has no store`)
  onTestFinished(async () => {
    exec.mockRestore()
    await backEnd.close()
    await tokens.close()
    await rm(folder, { recursive: true })
  })
  return { store: backEnd.store, connection: () => exec.mock.contexts[0] as Database.Database }
}

describe('the strategy "sqlite"', () => {
  it('lets the clock of no server decide when a session of all of them has expired', async () => {
    const { store } = await open('sqlite')

    const ahead = ((await store.now?.()) ?? Number.NaN) - Date.now()

    expect(Math.abs(ahead)).toBeLessThan(1_000)
  })

  it('waits for no disk before it acknowledges a write', async () => {
    const { store, connection } = await open('sqlite')

    await store.read('a')
    const [setting] = connection().prepare('PRAGMA synchronous').all()

    expect(setting).toEqual({ synchronous: 1 })
  })
})
