import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { findChildren, findProcess, parseProcStat } from './process-table.ts'

describe('findProcess()', () => {
  it('tells a stopped process from a running one, and a new one from an old one', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0
    const before = findProcess(pid)

    child.kill('SIGSTOP')
    await expect.poll(() => findProcess(pid)?.stopped).toBe(true)
    const stopped = findProcess(pid)
    child.kill('SIGKILL')
    await once(child, 'exit')

    expect(before).toMatchObject({ stopped: false, parent: process.pid })
    expect(stopped?.startedAt).toBe(before?.startedAt)
    expect(findProcess(pid)).toBeUndefined()
    expect(findProcess(process.pid)?.startedAt).not.toBe(before?.startedAt)
  })
})

describe('findChildren()', () => {
  it('finds what a process has started, as long as it runs', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0

    const children = findChildren(process.pid)
    child.kill('SIGKILL')
    await once(child, 'exit')

    expect(children).toContain(pid)
    expect(findChildren(process.pid)).not.toContain(pid)
    expect(findChildren(pid)).toEqual([])
  })
})

describe('parseProcStat()', () => {
  it('finds state, parent and start time behind a command with spaces and parentheses', () => {
    const stat = `42 (a) b (c) T ${Array.from({ length: 18 }, (_, index) => index + 4).join(' ')} 987654 23 24`

    const parsed = parseProcStat(stat)

    expect(parsed).toEqual(['T', '4', '987654'])
  })
})
