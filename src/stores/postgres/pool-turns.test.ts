import { setImmediate as turn, setTimeout as pause } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { createPoolTurns } from './pool-turns.ts'

/** A pool whose attempts to connect, and whose statements, the test ends. */
function createTrial({ max = 3, patience = 1_000 } = {}) {
  const attempts: { succeed: () => void; fail: (error: Error) => void }[] = []
  const pool = {
    totalCount: 0,
    options: { max },
    connect: () =>
      new Promise<{ release: () => void }>((resolve, reject) => {
        pool.totalCount += 1
        attempts.push({
          succeed: () => resolve({ release: () => undefined }),
          fail: (error) => {
            pool.totalCount -= 1
            reject(error)
          },
        })
      }),
  }
  const takeTurn = createPoolTurns(pool, patience)
  const running = new Map<string, { succeed: () => void; fail: (error: Error) => void }>()
  const ended: string[] = []
  function run(name: string): void {
    takeTurn(
      () =>
        new Promise<string>((resolve, reject) => {
          running.set(name, {
            succeed: () => resolve('done'),
            fail: (error) => {
              pool.totalCount -= 1
              reject(error)
            },
          })
        }),
    ).then(
      (result) => ended.push(`${name}: ${result}`),
      (error: unknown) => ended.push(`${name}: ${String(error)}`),
    )
  }
  return {
    pool,
    attempts,
    ended,
    run,
    started: () => [...running.keys()],
    async end(name: string, error?: Error) {
      const statement = running.get(name)
      if (error) statement?.fail(error)
      else statement?.succeed()
      await turn()
    },
    async connected() {
      attempts.at(-1)?.succeed()
      await turn()
    },
    async refused() {
      attempts.at(-1)?.fail(new Error('refused'))
      await turn()
    },
  }
}

describe('createPoolTurns()', () => {
  it('runs a statement on the connection that becomes free, not on the one that is being opened', async () => {
    const { run, started, connected, end, attempts, ended } = createTrial()
    run('first')
    await connected()

    run('second')
    const before = { started: started(), attempts: attempts.length }
    await end('first')

    expect(before).toEqual({ started: ['first'], attempts: 2 })
    expect(started()).toEqual(['first', 'second'])
    expect(ended).toEqual(['first: done'])
  })

  it('opens one connection at a time, as many as the pool may have', async () => {
    const { run, started, connected, attempts } = createTrial({ max: 2 })
    for (const name of ['a', 'b', 'c']) run(name)

    const seen = [attempts.length]
    await connected()
    seen.push(attempts.length)
    await connected()
    seen.push(attempts.length)

    expect(seen).toEqual([1, 2, 2])
    expect(started()).toEqual(['a', 'b'])
  })

  it('refuses everybody who waits when there is no connection at all', async () => {
    const { run, refused, ended, attempts } = createTrial()
    run('a')
    run('b')

    await refused()

    expect(ended).toEqual(['a: Error: refused', 'b: Error: refused'])
    expect(attempts).toHaveLength(1)
  })

  it('lets those wait for a connection that works whom another attempt could not help', async () => {
    const { run, connected, refused, end, ended, started, attempts } = createTrial()
    run('first')
    await connected()
    run('second')

    await refused()
    const afterRefusal = { ended: [...ended], attempts: attempts.length }
    await end('first')

    expect(afterRefusal).toEqual({ ended: [], attempts: 2 })
    expect(started()).toEqual(['first', 'second'])
  })

  it('refuses those who have waited long enough when an attempt has failed', async () => {
    const { run, connected, refused, ended } = createTrial({ patience: 20 })
    run('first')
    await connected()
    run('second')

    await pause(30)
    run('third')
    await refused()

    expect(ended).toEqual(['second: Error: refused'])
  })

  it('does not count on a connection on which a statement has failed', async () => {
    const { run, connected, end, started, attempts, ended } = createTrial()
    run('first')
    await connected()
    run('second')
    await connected()

    await end('first', new Error('timeout'))
    run('third')

    expect(ended).toEqual(['first: Error: timeout'])
    expect(started()).toEqual(['first', 'second'])
    expect(attempts).toHaveLength(3)
  })

  it('does not count on a connection that the pool has ended', async () => {
    const { pool, run, connected, end, started, attempts } = createTrial()
    run('first')
    await connected()
    await end('first')

    pool.totalCount = 0
    run('second')
    const before = started()
    await connected()

    expect(before).toEqual(['first'])
    expect(started()).toEqual(['first', 'second'])
    expect(attempts).toHaveLength(2)
  })
})
