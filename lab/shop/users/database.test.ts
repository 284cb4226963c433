import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { openUserDatabases } from '../testing/user-database.ts'
import { migrateUserDatabase, type SqlDatabase, transact } from './database.ts'

function insertUser(database: SqlDatabase): void {
  database.prepare("INSERT INTO shop_users VALUES ('1', 'ada', 'ada', 'hash', 0)").run()
}

function countUsers(database: SqlDatabase): unknown {
  return database.prepare('SELECT id FROM shop_users').all().length
}

describe('migrateUserDatabase()', () => {
  it('may run again, at once on several connections, and loses nothing', async () => {
    const [first, second] = await openUserDatabases()
    await transact(first, () => insertUser(first))

    await Promise.all([migrateUserDatabase(first), migrateUserDatabase(second)])

    expect(countUsers(second)).toBe(1)
  })
})

describe('transact()', () => {
  it('waits for the lock of another connection without blocking the event loop', async () => {
    const [mine, other] = await openUserDatabases()
    other.exec('BEGIN IMMEDIATE')
    let ticks = 0
    const ticker = setInterval(() => (ticks += 1), 5)

    const done = transact(mine, () => insertUser(mine))
    await delay(100)
    other.exec('COMMIT')
    await done
    clearInterval(ticker)

    expect(ticks).toBeGreaterThan(5)
    expect(countUsers(other)).toBe(1)
  })

  it('gives up with ERR_USERS_UNAVAILABLE when the lock is not released', async () => {
    const [mine, other] = await openUserDatabases()
    other.exec('BEGIN IMMEDIATE')

    const attempt = transact(mine, () => insertUser(mine))

    await expect(attempt).rejects.toMatchObject({ code: 'ERR_USERS_UNAVAILABLE', status: 503 })
    other.exec('COMMIT')
    expect(countUsers(mine)).toBe(0)
  })

  it('undoes everything when the work throws', async () => {
    const [database] = await openUserDatabases()

    const attempt = transact(database, () => {
      insertUser(database)
      throw new Error('half-way')
    })

    await expect(attempt).rejects.toThrow('half-way')
    expect(countUsers(database)).toBe(0)
  })
})
