import { describe, expect, it } from 'vitest'
import type { SqliteDatabase } from '../sqlite.ts'
import { StoreUnavailableError } from '../store.ts'
import { createLockQueue } from './lock-queue.ts'

/** A connection of which only the lock matters; it is free from the given attempt on. */
function createDatabase() {
  const statements: string[] = []
  const database = {
    exec: (sql: string) => statements.push(sql),
    prepare: () => ({ get: () => undefined, all: () => [], run: () => ({ changes: 0 }) }),
  } satisfies SqliteDatabase
  return { database, statements }
}

/** A call that meets a lock until `release`, and counts how often it was tried. */
function createLock(code: Readonly<Record<string, unknown>> = { code: 'SQLITE_BUSY' }) {
  const lock = { held: true, attempts: 0 }
  function call<T>(value: T): T {
    lock.attempts++
    if (lock.held) throw Object.assign(new Error('database is locked'), code)
    return value
  }
  return { lock, call }
}

const options = { tableName: 'sessions', busyTimeout: 2_000 }

describe('createLockQueue()', () => {
  it('answers within a microtask while there is no lock', async () => {
    const queue = createLockQueue(createDatabase().database, options)
    let answer: number | undefined

    void queue.write(() => 7).then((value) => (answer = value))
    await Promise.resolve()

    expect(answer).toBe(7)
  })

  it('keeps SQLite from waiting in the place of the event loop', async () => {
    const { database, statements } = createDatabase()
    const queue = createLockQueue(database, options)

    await queue.read(() => 1)
    await queue.read(() => 2)

    expect(statements).toEqual(['PRAGMA busy_timeout = 0'])
  })

  it('lets one of a thousand waiting writes try, not all', async () => {
    const queue = createLockQueue(createDatabase().database, { ...options, busyTimeout: 15_000 })
    const { lock, call } = createLock()

    const writes = Array.from({ length: 1_000 }, (_, index) => queue.write(() => call(index)))
    while (lock.attempts < 10) await new Promise(setImmediate)
    const attempts = lock.attempts
    lock.held = false
    const values = await Promise.all(writes)

    expect(attempts).toBe(10)
    expect(lock.attempts).toBe(attempts + 1_000)
    expect(values).toEqual(Array.from({ length: 1_000 }, (_, index) => index))
  })

  it('pauses between attempts instead of spinning', async () => {
    const queue = createLockQueue(createDatabase().database, { ...options, busyTimeout: 200 })
    const { lock, call } = createLock()

    await queue.write(() => call(1)).catch(() => undefined)

    // Of 200 ms: at least 2.5 each, but for the first few; a loop without pauses tries thousands of times.
    expect(lock.attempts).toBeGreaterThan(2)
    expect(lock.attempts).toBeLessThan(100)
  })

  it('lets reads pass the writes that wait', async () => {
    const queue = createLockQueue(createDatabase().database, options)
    const { lock, call } = createLock()
    const write = queue.write(() => call('written'))

    const read = await queue.read(() => 'read')
    lock.held = false

    expect(read).toBe('read')
    expect(await write).toBe('written')
  })

  it('gives the event loop its turns while it works off a long queue', async () => {
    const queue = createLockQueue(createDatabase().database, options)
    const { lock, call } = createLock()
    const writes = Array.from({ length: 100 }, () => queue.write(() => spin(call(1))))
    let turns = 0
    let done = false
    const count = () => {
      turns++
      if (!done) setImmediate(count)
    }

    lock.held = false
    count()
    await Promise.all(writes)
    done = true

    // 100 calls of 1 ms, in slices of some 4 ms.
    expect(turns).toBeGreaterThan(10)
  })

  it('gives up on each call when its time is over, and goes on with later ones', async () => {
    const queue = createLockQueue(createDatabase().database, { ...options, busyTimeout: 30 })
    const { lock, call } = createLock()

    const results = await Promise.allSettled([queue.write(() => call(1)), queue.write(() => call(2))])
    lock.held = false

    expect(results).toMatchObject([
      { status: 'rejected', reason: { code: 'ERR_STORE_UNAVAILABLE', cause: { code: 'SQLITE_BUSY' } } },
      { status: 'rejected', reason: { code: 'ERR_STORE_UNAVAILABLE', cause: { code: 'SQLITE_BUSY' } } },
    ])
    expect(await queue.write(() => call(3))).toBe(3)
  })

  it.each([
    { code: 'SQLITE_BUSY' },
    { code: 'SQLITE_BUSY_SNAPSHOT' },
    { code: 'SQLITE_BUSY_RECOVERY' },
    { code: 'SQLITE_LOCKED_SHAREDCACHE' },
    { code: 'ERR_SQLITE_ERROR', errcode: 5 },
    { code: 'ERR_SQLITE_ERROR', errcode: 517 },
    { code: 'UNKNOWN_SQLITE_ERROR_773', rawCode: 773 },
  ])('waits when a client says %j', async (code) => {
    const queue = createLockQueue(createDatabase().database, options)
    const { lock, call } = createLock(code)

    const write = queue.write(() => call('written'))
    setTimeout(() => (lock.held = false), 10)

    expect(await write).toBe('written')
    expect(lock.attempts).toBeGreaterThan(1)
  })

  it.each([
    [{ code: 'SQLITE_FULL' }, /the disk is full/],
    [{ code: 'ERR_SQLITE_ERROR', errcode: 13 }, /the disk is full/],
    [{ code: 'SQLITE_IOERR_WRITE' }, /reading or writing the disk failed/],
    [{ code: 'SQLITE_READONLY_DBMOVED', rawCode: 1032 }, /cannot be written/],
    [{ code: 'SQLITE_CORRUPT' }, /the file is damaged/],
    [{ code: 'SQLITE_CANTOPEN' }, /cannot be opened/],
    [{ code: 'ERR_INVALID_STATE', message: 'database is not open' }, /its connection is closed/],
    [{ code: 'SQLITE_BUSINESS', message: 'secret' }, /the database refused; see the cause/],
  ])('rejects at once when a client says %j', async (code, message) => {
    const queue = createLockQueue(createDatabase().database, options)
    const { lock, call } = createLock(code)

    const error = await queue.write(() => call(1)).catch((reason: unknown) => reason)

    expect(error).toBeInstanceOf(StoreUnavailableError)
    expect(error).toMatchObject({ message: expect.stringMatching(message), cause: code })
    expect((error as Error).message).not.toContain('secret')
    expect(lock.attempts).toBe(1)
  })
})

function spin<T>(value: T): T {
  const end = performance.now() + 1
  while (performance.now() < end);
  return value
}
