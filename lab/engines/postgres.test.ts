import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { describeWith } from '../../test/support/engines.ts'
import { askPostgres } from './postgres-server.ts'
import { type PostgresOptions, startPostgres } from './postgres.ts'
import { findChildren, findProcess } from './process-table.ts'

async function createTrial(options: PostgresOptions = {}) {
  const postgres = await startPostgres(options)
  onTestFinished(() => postgres.close())
  const [engine] = postgres.engines
  if (!engine) throw new Error('There is no engine')
  return {
    postgres,
    engine,
    ask: (question: string, timeout?: number) => askPostgres(postgres.url, question, timeout),
  }
}

describeWith(['postgresql'], 'startPostgres()', () => {
  it('starts a PostgreSQL that answers where it says, and writes to the disk', async () => {
    const { engine, ask } = await createTrial({ config: { work_mem: '5MB' } })

    const rows = await ask(
      "SELECT current_setting('fsync') AS fsync, current_setting('work_mem') AS memory, inet_server_port() AS port",
    )

    expect(rows).toEqual([{ fsync: 'on', memory: '5MB', port: engine.port }])
    expect(engine).toMatchObject({ name: 'postgres', status: 'ready' })
  })

  it('starts a PgBouncer that gives each transaction any of its connections', async () => {
    const { postgres } = await createTrial({ pooler: 'transaction' })
    const url = postgres.poolerUrl ?? ''

    const answers = await Promise.all(
      Array.from({ length: 8 }, () => askPostgres(url, 'SELECT pg_backend_pid() AS pid, pg_sleep(0.05)')),
    )

    expect(new Set(answers.map(([row]) => row?.['pid'])).size).toBe(3)
    expect(postgres.engines.map(({ name }) => name)).toEqual(['postgres', 'pgbouncer'])
  })

  it('lets nobody in without the password', async () => {
    const { postgres, ask } = await createTrial({ password: 'p@ss' })

    const [row] = await ask('SELECT 1 AS one')

    expect(row).toEqual({ one: 1 })
    await expect(askPostgres(postgres.url.replace('p%40ss', 'guess'), 'SELECT 1')).rejects.toThrow('password')
  })

  it('stops with all of its processes, and has everything after a kill', async () => {
    const { engine, ask } = await createTrial()
    await ask('CREATE TABLE t AS SELECT 7 AS seven')
    const processes = [engine.pid ?? 0, ...findChildren(engine.pid ?? 0)]

    await engine.pause()
    const held = findChildren(engine.pid ?? 0).map((pid) => findProcess(pid)?.stopped)
    const paused = await ask('SELECT 1', 500).catch((error: Error) => error.message)
    await engine.resume()
    const resumed = await ask('SELECT seven FROM t')
    await engine.pause()
    await engine.kill()
    const left = processes.filter(findProcess)
    await engine.start()
    const again = await ask('SELECT seven FROM t')

    expect(held.length).toBeGreaterThan(3)
    expect(held).toEqual(held.map(() => true))
    expect(paused).toMatch(/timeout/)
    expect(resumed).toEqual([{ seven: 7 }])
    expect(left).toEqual([])
    expect(again).toEqual([{ seven: 7 }])
  })

  it('leaves neither process nor folder when it is closed, even paused', async () => {
    const { postgres, engine, ask } = await createTrial()
    const [row] = await ask('SHOW data_directory')
    const folder = dirname(String(row?.['data_directory']))
    const processes = [engine.pid ?? 0, ...findChildren(engine.pid ?? 0)]
    const before = existsSync(folder)

    await engine.pause()
    await postgres.close()

    expect(before).toBe(true)
    expect(existsSync(folder)).toBe(false)
    expect(processes.filter(findProcess)).toEqual([])
  })

  it('acknowledges nothing that its standby does not have, which can take its place', async () => {
    const { postgres, engine, ask } = await createTrial({ standby: true, password: 'secret' })
    const standby = postgres.engines[1]
    const askStandby = (question: string) => askPostgres(postgres.standbyUrl ?? '', question)
    await ask('CREATE TABLE t AS SELECT 1 AS one')

    await standby?.pause()
    const waiting = await ask('INSERT INTO t VALUES (2)', 500).catch((error: Error) => error.message)
    await standby?.resume()
    await ask('INSERT INTO t VALUES (3)')
    await standby?.kill()
    await standby?.start()
    await ask('INSERT INTO t VALUES (4)')
    await engine.kill()
    await askStandby('SELECT pg_promote()')
    const rows = await askStandby('SELECT one FROM t ORDER BY one')

    expect(postgres.engines.map(({ name }) => name)).toEqual(['postgres', 'standby'])
    expect(waiting).toMatch(/timeout/)
    expect(rows).toEqual([{ one: 1 }, { one: 2 }, { one: 3 }, { one: 4 }])
  }, 60_000)
})
