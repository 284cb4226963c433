import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { findChildren, findProcess } from './process-table.ts'
import { watchdogScript } from './watchdog.ts'

/** A watchdog, a paused process with a child, and a folder with a file. */
async function createTrial() {
  const folder = await mkdtemp(join(tmpdir(), 'watchdog test-'))
  await writeFile(join(folder, 'file'), '')
  const parent = spawn('/bin/sh', ['-c', 'sleep 60 & wait'])
  const pid = parent.pid ?? 0
  await expect.poll(() => findChildren(pid)).toHaveLength(1)
  const [child = 0] = findChildren(pid)
  parent.kill('SIGSTOP')
  process.kill(child, 'SIGSTOP')
  const watchdog = spawn('/bin/sh', ['-c', watchdogScript], { stdio: ['pipe', 'ignore', 'pipe'] })
  onTestFinished(async () => {
    for (const each of [pid, child].filter(findProcess)) process.kill(each, 'SIGKILL')
    await rm(folder, { recursive: true, force: true })
  })
  return {
    folder,
    pid,
    child,
    startedAt: findProcess(pid)?.startedAt ?? '',
    watchdog,
    async end(orders: string) {
      watchdog.stdin.end(orders)
      await once(watchdog, 'exit')
    },
  }
}

/** Bits of the signals that a process ignores. */
function ignoredSignals(pid: number): number {
  return Number(`0x${execFileSync('ps', ['-o', 'ignored=', '-p', String(pid)], { encoding: 'utf8' }).trim()}`)
}

describe('watchdogScript', () => {
  it('kills what is paused with its children, and removes folders, when its parent is gone', async () => {
    const { folder, pid, child, startedAt, end } = await createTrial()

    await end(`watch ${pid} ${startedAt}\nfolder ${folder}\n`)

    await expect.poll(() => [pid, child].filter(findProcess)).toEqual([])
    expect(existsSync(folder)).toBe(false)
  })

  it('spares a process that has got the id of one that ended', async () => {
    const { pid, child, end } = await createTrial()

    await end(`watch ${pid} 1\n`)

    expect([pid, child].filter(findProcess)).toEqual([pid, child])
  })

  it('leaves out a line that was cut short', async () => {
    const { folder, end } = await createTrial()

    await end(`folder ${folder}`)

    expect(existsSync(folder)).toBe(true)
  })

  it('outlives the signals of a terminal', async () => {
    const { pid, startedAt, watchdog, end } = await createTrial()
    // SIGHUP is 1, SIGINT 2, SIGTERM 15; a shell that has only just been started ignores none of them yet.
    await expect.poll(() => ignoredSignals(watchdog.pid ?? 0) & 0x4003).toBe(0x4003)

    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) watchdog.kill(signal)
    await end(`watch ${pid} ${startedAt}\n`)

    expect(findProcess(pid)).toBeUndefined()
  })
})
