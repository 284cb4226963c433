import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readlinkSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { findChildren, findProcess } from '../lab/engines/process-table.ts'
import { describeWith } from './support/engines.ts'

const holder = fileURLToPath(new URL('support/engine-holder.mjs', import.meta.url))

describeWith(['postgresql', 'redis-server'], 'engines whose process is killed', () => {
  it('go with it, paused or not, and so do their folders', async () => {
    const child = spawn(process.execPath, [holder], { stdio: ['ignore', 'pipe', 'inherit'] })
    const [line] = (await once(child.stdout, 'data')) as [Buffer]
    const engines = JSON.parse(line.toString()) as number[]
    const pids = engines.flatMap((pid) => [pid, ...findChildren(pid)])
    const folders = [...new Set(engines.map((pid) => readlinkSync(`/proc/${pid}/cwd`)))]
    const before = { pids: pids.filter(findProcess), folders: folders.filter((folder) => existsSync(folder)) }

    child.kill('SIGKILL')

    expect(before).toEqual({ pids, folders })
    expect(pids.length).toBeGreaterThan(5)
    await expect.poll(() => pids.filter(findProcess), { timeout: 5_000 }).toEqual([])
    await expect.poll(() => folders.filter((folder) => existsSync(folder)), { timeout: 5_000 }).toEqual([])
  })
})
