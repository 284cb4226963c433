/**
 * Sessions in one SQLite file, with a near cache on each server or without.
 *
 * @module
 */

import { join } from 'node:path'
import { createNearCache } from 'coatcheck/stores/near-cache'
import { createSqliteInvalidations, createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'
import { countNearCache } from '../copy-costs.ts'
import { findMissingSqlite } from '../missing-servers.ts'
import { NEAR_CACHE_BOUND, type Strategy, type StrategyContext } from '../strategy.ts'

const DATABASE_FILE = 'sessions.db'

/** Every read asks the file. */
export const sqlite: Strategy = {
  name: 'sqlite',
  title: { en: 'Shared database (SQLite)', ko: '공유 데이터베이스 (SQLite)' },
  summary: {
    en: 'All servers keep sessions in one SQLite file. Any of them may die; each request costs a read.',
    ko: '모든 서버가 하나의 SQLite 파일에 세션을 저장합니다. 어느 서버가 죽어도 되지만, 요청마다 읽기가 한 번 듭니다.',
  },
  routing: 'round-robin',
  promises: { anyServer: true, survivesServerDeath: true },
  backEnd: 'sqlite',
  databaseFile: DATABASE_FILE,
  unavailable: findMissingSqlite,
  prepare: (context) => migrate(context, false),
  open: async (context) => {
    const database = await openDatabase(context)
    return {
      store: createStore(database),
      close: async () => {
        database.close()
      },
    }
  },
}

/** Reads are answered from each server's own memory as long as that is proven fresh. */
export const sqliteCached: Strategy = {
  ...sqlite,
  name: 'sqlite-cached',
  title: { en: 'SQLite + copy in RAM', ko: 'SQLite + 메모리 사본' },
  summary: {
    en: 'As with SQLite, but each server answers from a copy that the others tell of changes: at most 2 s late.',
    ko: 'SQLite와 같지만 서버마다 사본에서 답하고, 변경은 서로 알려 줍니다. 늦어도 2초 안에 반영됩니다.',
  },
  promises: { ...sqlite.promises, bound: NEAR_CACHE_BOUND },
  prepare: (context) => migrate(context, true),
  open: async (context) => {
    const database = await openDatabase(context)
    const listening = await openDatabase(context)
    const store = createNearCache(createStore(database), createSqliteInvalidations(listening), {
      bound: NEAR_CACHE_BOUND,
    })
    return {
      store,
      countCosts: () => countNearCache(store.stats(), NEAR_CACHE_BOUND),
      close: async () => {
        await store.close()
        listening.close()
        database.close()
      },
    }
  },
}

type Database = Awaited<ReturnType<typeof openDatabase>>

/**
 * Its clock is the machine's, not the one in the context: that may be set wrong for one server, and then only the
 * engine of that server goes wrong.
 *
 * The lab kills processes, not the machine: after a kill -9, what was committed is in the system's hands and stays, so
 * no write has to wait for the disk.
 */
function createStore(database: Database) {
  return createSqliteStore(database, { synchronous: 'normal' })
}

async function migrate(context: StrategyContext, outbox: boolean): Promise<void> {
  const database = await openDatabase(context)
  await migrateSqliteStore(database, { outbox })
  database.close()
}

async function openDatabase({ folder }: StrategyContext) {
  const { default: Database } = await import('libsql')
  return new Database(join(folder, DATABASE_FILE))
}
