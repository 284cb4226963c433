/**
 * The near cache before real SQLite files, with the real feed.
 *
 * @module
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'libsql'
import { describe, expect, it, type TestContext, vi } from 'vitest'
import {
  missingFault,
  nearCacheContract,
  type NearCacheTrial,
} from '../../conformance/near-cache-contract.ts'
import { missingCapability, storeContract, type StoreTrial } from '../../conformance/store-contract.ts'
import { createNearCache } from '../near-cache.ts'
import { createSqliteInvalidations, createSqliteStore, migrateSqliteStore } from '../sqlite.ts'

const START = Date.UTC(2026, 0, 1)
const BOUND = 2_000

type Finish = TestContext['onTestFinished']

/** A migrated file; gives what opens one more connection to it. */
async function createFile(onTestFinished: Finish) {
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-near-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const open = () => {
    const database = new Database(join(folder, 'sessions.db'))
    database.exec('PRAGMA synchronous = NORMAL')
    onTestFinished(() => void (database.open && database.close()))
    return database
  }
  await migrateSqliteStore(open(), { outbox: true })
  return open
}

async function createStoreTrial(onTestFinished: Finish): Promise<StoreTrial> {
  const open = await createFile(onTestFinished)
  let time = START
  const server = () => {
    const database = open()
    const store = createSqliteStore(database, { now: () => time })
    const near = createNearCache(store, createSqliteInvalidations(database))
    onTestFinished(() => near.close())
    return { near, database }
  }
  const [here, there] = [server(), server()]
  return {
    store: here.near,
    peer: there.near,
    now: () => time,
    elapse: async (milliseconds) => {
      time += milliseconds
    },
    jumps: true,
    async corrupt(key) {
      there.database.exec('PRAGMA ignore_check_constraints = ON')
      there.database.prepare('UPDATE coatcheck_sessions SET version = -7 WHERE key = ?').run(key)
      there.database.exec('PRAGMA ignore_check_constraints = OFF')
    },
    unplug: async () => void here.database.close(),
  }
}

/** Two servers, and an operator who does what makes the feed break or fall silent. */
async function createTrial(onTestFinished: Finish): Promise<NearCacheTrial> {
  const open = await createFile(onTestFinished)
  const server = () => {
    const database = open()
    const feed = createSqliteInvalidations(database)
    const near = createNearCache(createSqliteStore(database), feed, { bound: BOUND })
    onTestFinished(() => near.close())
    return near
  }
  const operator = open()
  let isHeld = false
  return {
    here: server(),
    there: server(),
    store: createSqliteStore(open(), { busyTimeout: 100 }),
    bound: BOUND,
    now: Date.now,
    wipe: async () => void operator.exec('DELETE FROM coatcheck_sessions'),
    sever: async () => void operator.exec('DROP TRIGGER coatcheck_sessions_outbox_update'),
    // While another process holds the file, no nonce can be written.
    async silence() {
      operator.exec('BEGIN IMMEDIATE')
      isHeld = true
    },
    async heal() {
      if (isHeld) operator.exec('COMMIT')
      else await migrateSqliteStore(operator, { outbox: true })
    },
  }
}

describe('createNearCache() over SQLite', () => {
  // A store that lists has no need to revoke.
  for (const clause of storeContract.filter(({ needs }) => !needs?.includes('revoke'))) {
    it(`keeps the store contract: ${clause.title}`, async ({ onTestFinished }) => {
      const trial = await createStoreTrial(onTestFinished)

      expect(missingCapability(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })
  }

  for (const clause of nearCacheContract) {
    it.concurrent(clause.title, { timeout: 60_000 }, async ({ onTestFinished, expect }) => {
      const trial = await createTrial(onTestFinished)

      expect(missingFault(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })
  }

  it('serves nothing of tables that were dropped and made anew', async ({ onTestFinished }) => {
    const open = await createFile(onTestFinished)
    const database = open()
    const near = createNearCache(createSqliteStore(database), createSqliteInvalidations(database))
    onTestFinished(() => near.close())
    const now = Date.now()
    const record = {
      data: '',
      principal: undefined,
      createdAt: now,
      lastSeenAt: now,
      expiresAt: now + 60_000,
    }
    await near.create('key', record)
    await vi.waitFor(async () => {
      await near.read('key')
      expect(near.copies.peek('key', now, 0)).toBeDefined()
    }, 5_000)

    const operator = open()
    for (const suffix of ['', '_migrations', '_corrupt', '_lease']) {
      operator.exec(`DROP TABLE coatcheck_sessions${suffix}`)
    }
    await migrateSqliteStore(operator, { outbox: true })

    await vi.waitFor(() => expect(near.copies.peek('key', now, 0)).toBeUndefined(), 2_000)
    expect(await near.read('key')).toBeUndefined()
  })
})
