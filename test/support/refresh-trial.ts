/**
 * Refresh tokens on a memory store, whose time the test moves.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { onTestFinished } from 'vitest'
import { createMemoryStore } from '../../src/stores/memory.ts'
import type { IndexedSessionStore } from '../../src/stores/store.ts'
import {
  createRefreshTokens,
  type RefreshEvent,
  type RefreshOptions,
  type RefreshTokens,
} from '../../src/tokens/refresh.ts'
import { createRevocations } from '../../src/tokens/revocations.ts'
import { createMemoryRevocationLog } from '../../src/tokens/revocations/memory.ts'

/** The key of a trial that is given no others. */
export const KEY = randomBytes(32)
export const START = Date.UTC(2026, 0, 1)
/** The default grace, in milliseconds. */
export const GRACE = 30_000

/** Refresh tokens on a memory store, by a clock that the test moves. */
export async function createTrial(
  changes: Partial<RefreshOptions> = {},
  wrap = (store: IndexedSessionStore) => store,
) {
  let time = START
  const now = () => time
  const events: RefreshEvent[] = []
  const memory = createMemoryStore({ now })
  const log = createMemoryRevocationLog({ now })
  const revocations = createRevocations(log, { now })
  await revocations.ready
  const writes = { count: 0 }
  const counting: IndexedSessionStore = {
    ...memory,
    now: async () => time,
    write: (...call) => {
      writes.count++
      return memory.write(...call)
    },
  }
  const store = wrap(counting)
  const options: RefreshOptions = {
    keys: [KEY],
    revocations,
    onEvent: (event) => events.push(event),
    ...changes,
  }
  const refresh = createRefreshTokens(store, options)
  onTestFinished(async () => {
    refresh.close()
    await revocations.close()
  })
  return {
    store,
    memory,
    refresh,
    revocations,
    events,
    writes,
    options,
    elapse: (milliseconds: number) => {
      time += milliseconds
    },
    now,
  }
}

/** The next token, where there has to be one. */
export async function rotateOk(refresh: RefreshTokens, token: string): Promise<string> {
  const result = await refresh.rotate(token)
  if (!result.ok) throw new Error(`refused: ${result.reason}`)
  return result.refreshToken
}
