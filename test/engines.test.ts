import { type ChildProcess, fork, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Readable } from 'node:stream'
import { expect, it } from 'vitest'
import { findChildren, findProcess } from '../lab/engines/process-table.ts'
import { describeWith } from './support/engines.ts'

const holder = fileURLToPath(new URL('support/engine-holder.mjs', import.meta.url))

/** Engines that a process holds, paused: all processes and all folders. */
async function readTraces(child: ChildProcess) {
  const [line] = (await once(child.stdout as Readable, 'data')) as [Buffer]
  const engines = JSON.parse(line.toString()) as number[]
  const pids = engines.flatMap((pid) => [pid, ...findChildren(pid)])
  const folders = [...new Set(engines.map((pid) => readlinkSync(`/proc/${pid}/cwd`)))]
  expect(folders.filter((folder) => existsSync(folder))).toHaveLength(2)
  expect(pids.filter(findProcess).length).toBeGreaterThan(5)
  return { pids, folders }
}

async function expectNothingLeft({ pids, folders }: Awaited<ReturnType<typeof readTraces>>): Promise<void> {
  await expect.poll(() => pids.filter(findProcess), { timeout: 5_000 }).toEqual([])
  await expect.poll(() => folders.filter((folder) => existsSync(folder)), { timeout: 5_000 }).toEqual([])
}

describeWith(['postgresql', 'redis-server'], 'engines that nobody closes', () => {
  it('go with their process when it is killed, paused or not, and so do their folders', async () => {
    const child = spawn(process.execPath, [holder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const traces = await readTraces(child)

    child.kill('SIGKILL')

    await expectNothingLeft(traces)
  })

  it('go when the test runner is killed that their process works for, and let that process end', async () => {
    const child = fork(holder, { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] })
    const ended = once(child, 'exit')
    const traces = await readTraces(child)

    // What the worker sees when its runner is killed.
    child.disconnect()

    await expectNothingLeft(traces)
    expect(await ended).toEqual([0, null])
  })
})
