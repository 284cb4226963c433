import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { findProcess } from '../lab/engines/process-table.ts'
import { type Lab, labProgram, startLab } from './support/lab.ts'

/** What the lab left on the machine: processes by id, and its folder. */
interface Traces {
  readonly pids: readonly number[]
  readonly folder: string
}

/** Looks up everything that belongs to a lab while it runs: its servers, its watchdog, its temporary folder. */
async function tracesOf(lab: Lab): Promise<Traces> {
  const { databaseFile = '' } = await lab.state()
  const table = execFileSync('ps', ['-A', '-o', 'pid=,ppid='], { encoding: 'utf8' })
  const children = table
    .split('\n')
    .map((line) => line.trim().split(/\s+/).map(Number))
    .filter(([, parent]) => parent === lab.pid)
    .map(([pid = 0]) => pid)
  return { pids: [lab.pid, ...children], folder: dirname(dirname(databaseFile)) }
}

async function expectNothingLeft({ pids, folder }: Traces): Promise<void> {
  await expect.poll(() => pids.filter((pid) => findProcess(pid)), { timeout: 5_000 }).toEqual([])
  await expect.poll(() => existsSync(folder), { timeout: 5_000 }).toBe(false)
}

describe('the end of the lab', () => {
  let lab: Lab

  afterEach(async () => {
    await lab.stop()
  })

  it.each([
    ['SIGTERM', 0],
    ['SIGINT', 0],
    ['SIGHUP', 0],
    ['SIGKILL', undefined],
  ] as const)('leaves nothing behind after %s, even with a paused server', async (signal, code) => {
    lab = await startLab(['--headless', '--strategy', 'sqlite'])
    await lab.act('B', 'pause')
    const traces = await tracesOf(lab)

    process.kill(lab.pid, signal)

    expect(traces.pids).toHaveLength(5)
    await expectNothingLeft(traces)
    expect(await lab.stop()).toBe(code)
  })

  it('leaves nothing behind when its watchdog was killed before it', async () => {
    lab = await startLab(['--headless', '--strategy', 'sqlite'])
    await lab.act('B', 'pause')
    const before = await tracesOf(lab)
    const watchdog = before.pids.find(
      (pid) => pid !== lab.pid && !lab.servers.some((server) => server.pid === pid),
    )
    process.kill(watchdog ?? 0, 'SIGKILL')
    await expect.poll(async () => (await tracesOf(lab)).pids.length).toBe(5)
    const traces = await tracesOf(lab)

    process.kill(lab.pid, 'SIGKILL')

    expect(traces.pids).not.toContain(watchdog)
    await expectNothingLeft(traces)
  })

  it('comes when the npm that started it is killed', async () => {
    const shell = spawn(
      'sh',
      ['-c', `"${process.execPath}" "${labProgram}" --port 0 --json --headless & wait`],
      {
        env: { ...process.env, npm_lifecycle_event: 'lab' },
        stdio: ['ignore', 'pipe', 'ignore'],
      },
    )
    const line = JSON.parse(await firstLine(shell)) as Pick<Lab, 'servers'>

    shell.kill('SIGKILL')

    await expect
      .poll(() => line.servers.filter(({ pid }) => findProcess(pid)), { timeout: 5_000 })
      .toEqual([])
  })
})

async function firstLine({ stdout }: ChildProcess): Promise<string> {
  let text = ''
  for await (const chunk of stdout ?? []) {
    text += String(chunk)
    if (text.includes('\n')) break
  }
  return text
}
