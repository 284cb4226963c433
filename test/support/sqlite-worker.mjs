/**
 * One process of those that share an SQLite file: `node sqlite-worker.mjs <task> <file>`.
 *
 * It starts its task when its standard input says so, and answers in lines of JSON. Writing to a pipe is synchronous,
 * so a line that was written arrives even when the process is killed right after.
 *
 * @module
 */

import { writeSync } from 'node:fs'
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import Database from 'libsql'
import { createSqliteStore, migrateSqliteStore } from 'coatcheck/stores/sqlite'

const [task, file] = process.argv.slice(2)
const say = (message) => writeSync(1, `${JSON.stringify(message)}\n`)
const record = (data, lifetime = 3_600_000) => ({
  data: String(data),
  principal: undefined,
  createdAt: Date.now(),
  lastSeenAt: Date.now(),
  expiresAt: Date.now() + lifetime,
})

const createStore = (busyTimeout) =>
  createSqliteStore(new Database(file), { synchronous: 'normal', ...(busyTimeout && { busyTimeout }) })

const tasks = {
  /** Adds one 2,000 times to the number in the session `counter`. */
  async increment() {
    const store = createStore(5_000)
    const start = performance.now()
    let conflicts = 0
    for (let done = 0; done < 2_000;) {
      const session = await store.read('counter')
      const result = await store.write('counter', session.version, record(Number(session.data) + 1))
      if (result.outcome === 'written') done++
      else conflicts++
    }
    say({ conflicts, milliseconds: performance.now() - start })
  },

  /** Holds the file for three seconds. */
  async lock() {
    const database = new Database(file)
    database.exec('BEGIN EXCLUSIVE')
    say('locked')
    await pause(3_000)
    database.exec('COMMIT')
    say('released')
  },

  /** Creates a session and counts in another, and tells each number once both are acknowledged, until killed. */
  async write() {
    const store = createStore(5_000)
    for (;;) {
      const session = await store.read('counter')
      const next = Number(session.data) + 1
      await store.create(`session-${next}`, record('x'.repeat(next % 5_000)))
      await store.write('counter', session.version, record(next))
      say(next)
    }
  },

  async sweep() {
    const store = createStore()
    say((await store.sweep(100_000)).map(({ key }) => key))
  },

  async migrate() {
    await migrateSqliteStore(new Database(file))
    say(await createStore().create(`process-${process.pid}`, record('')))
  },
}

say('ready')
await once(process.stdin, 'data')
await tasks[task]()
process.stdin.destroy()
