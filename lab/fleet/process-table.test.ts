import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { findProcess, killProcess, parseProcStat } from './process-table.ts'

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

    expect(before).toMatchObject({ stopped: false })
    expect(stopped?.startedAt).toBe(before?.startedAt)
    expect(findProcess(pid)).toBeUndefined()
    expect(findProcess(process.pid)?.startedAt).not.toBe(before?.startedAt)
  })
})

describe('killProcess()', () => {
  it('kills a paused process', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0
    const ended = once(child, 'exit')
    child.kill('SIGSTOP')

    await killProcess(pid, findProcess(pid)?.startedAt ?? '')

    expect(await ended).toEqual([null, 'SIGKILL'])
  })

  it('spares a process that has got the id of one that ended', async () => {
    const child = spawn('sleep', ['60'])
    const pid = child.pid ?? 0

    await killProcess(pid, 'another start')

    expect(findProcess(pid)).toBeDefined()
    child.kill('SIGKILL')
  })
})

describe('parseProcStat()', () => {
  it('finds state and start time behind a command with spaces and parentheses', () => {
    const stat = `42 (a) b (c) T ${Array.from({ length: 18 }, (_, index) => index + 4).join(' ')} 987654 23 24`

    const parsed = parseProcStat(stat)

    expect(parsed).toEqual(['T', '987654'])
  })
})
