import { execFile } from 'node:child_process'
import { existsSync, readlinkSync } from 'node:fs'
import { promisify } from 'node:util'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { findChildren, findProcess } from '../lab/engines/process-table.ts'
import type { EngineState } from '../lab/fleet/protocol.ts'
import { describeWith } from './support/engines.ts'
import { type Lab, labProgram, startLab } from './support/lab.ts'
import { register, visit } from './support/visits.ts'

async function engineOf(lab: Lab): Promise<EngineState> {
  const [engine] = (await lab.state()).engines
  if (!engine) throw new Error('The lab has no engine')
  return engine
}

/** Status of an answer to a visitor. */
async function statusOf(shop: string, cookie: string): Promise<number | undefined> {
  const [answer] = await visit(shop, cookie, 1)
  return answer?.[1]
}

/** Folder that an engine runs in. */
function folderOf(pid: number): string {
  return readlinkSync(`/proc/${pid}/cwd`)
}

describeWith(['redis-server'], 'the lab on redis', () => {
  let lab: Lab

  beforeAll(async () => {
    lab = await startLab(['--strategy', 'redis'])
  })

  afterAll(async () => {
    await lab.stop()
  })

  it('says in its line and in its state which engines it has started', async () => {
    const [engine] = lab.engines
    const { engines } = await lab.state()

    expect(lab.engines).toHaveLength(1)
    expect(engine).toEqual({ name: 'redis', pid: expect.any(Number), port: expect.any(Number) })
    expect(engines).toEqual([{ ...engine, status: 'ready' }])
    expect(findProcess(engine?.pid ?? 0)?.parent).toBe(lab.pid)
  })

  it('knows a user on every server', async () => {
    const cookie = await register(lab.shop)

    const answers = await Promise.all(Array.from({ length: 6 }, () => statusOf(lab.shop, cookie)))

    expect(answers).toEqual([200, 200, 200, 200, 200, 200])
  })

  it('kills its engine and starts it again, on its port and with its sessions', async () => {
    const cookie = await register(lab.shop)
    const before = await engineOf(lab)

    await lab.actOnEngine('redis', 'kill')
    const killed = await engineOf(lab)
    const without = await statusOf(lab.shop, cookie)
    await lab.actOnEngine('redis', 'start')
    const started = await engineOf(lab)

    await expect.poll(() => statusOf(lab.shop, cookie), { timeout: 5_000 }).toBe(200)
    expect(killed).toEqual({ name: 'redis', pid: undefined, port: before.port, status: 'stopped' })
    expect(findProcess(before.pid ?? 0)).toBeUndefined()
    expect(without).toBe(503)
    expect(started).toMatchObject({ port: before.port, status: 'ready' })
    expect(started.pid).not.toBe(before.pid)
  })

  it('pauses its engine and resumes it', async () => {
    const cookie = await register(lab.shop)
    const { pid = 0 } = await engineOf(lab)

    await lab.actOnEngine('redis', 'pause')
    const paused = { status: (await engineOf(lab)).status, stopped: findProcess(pid)?.stopped }
    const without = await statusOf(lab.shop, cookie)
    await lab.actOnEngine('redis', 'resume')

    expect(paused).toEqual({ status: 'paused', stopped: true })
    expect(without).toBe(503)
    await expect.poll(() => statusOf(lab.shop, cookie), { timeout: 5_000 }).toBe(200)
    expect(await engineOf(lab)).toMatchObject({ pid, status: 'ready' })
  })

  it('tells of what was done to its engine, and of an end that nobody asked for', async () => {
    const { pid = 0 } = await engineOf(lab)

    process.kill(pid, 'SIGKILL')
    await expect.poll(async () => (await engineOf(lab)).status).toBe('stopped')
    await lab.actOnEngine('redis', 'start')

    const told = lab.stderr().split('\n')
    expect(told).toContain('redis ended by itself (SIGKILL)')
    expect(told.filter((line) => line === 'redis was started').length).toBeGreaterThan(0)
  })

  it.each([
    ['kill', '/api/engines/valkey/kill', 404, 'There is no engine "valkey". Known: redis'],
    ['drain', '/api/engines/redis/drain', 404, 'Known: kill, pause, resume, start'],
  ])('refuses to %s at %s', async (_action, path, status, message) => {
    const response = await fetch(lab.control + path, { method: 'POST' })
    const answer = (await response.json()) as { error: { message: string } }

    expect(response.status).toBe(status)
    expect(answer.error.message).toContain(message)
  })

  it('refuses what makes no sense in the state of an engine, and does nothing twice', async () => {
    await lab.actOnEngine('redis', 'kill')
    await lab.actOnEngine('redis', 'kill')

    const paused = lab.actOnEngine('redis', 'pause')

    await expect(paused).rejects.toThrow(/409.*redis is not running/)
    await lab.actOnEngine('redis', 'start')
    await lab.actOnEngine('redis', 'start')
    expect((await engineOf(lab)).status).toBe('ready')
  })

  it('ends its engine, even a paused one, when the strategy is switched, and starts a new one on the way back', async () => {
    const cookie = await register(lab.shop)
    const before = await engineOf(lab)
    const folder = folderOf(before.pid ?? 0)

    await lab.actOnEngine('redis', 'pause')
    await lab.call('POST', '/api/strategy', { name: 'memory' })
    const without = await lab.state()
    const left = { process: findProcess(before.pid ?? 0), folder: existsSync(folder) }
    await lab.call('POST', '/api/strategy', { name: 'redis' })
    const after = await engineOf(lab)

    expect(without.engines).toEqual([])
    expect(left).toEqual({ process: undefined, folder: false })
    expect(after.status).toBe('ready')
    expect(await statusOf(lab.shop, cookie)).toBe(401)
    expect(await statusOf(lab.shop, await register(lab.shop))).toBe(200)
  })
})

describeWith(['redis-server'], 'the end of a lab with engines', () => {
  let lab: Lab

  afterEach(async () => {
    await lab.stop()
  })

  it.each(['SIGTERM', 'SIGKILL'] as const)(
    'leaves nothing behind after %s, even a paused engine',
    async (signal) => {
      lab = await startLab(['--strategy', 'redis'])
      await lab.actOnEngine('redis', 'pause')
      const { pid = 0 } = await engineOf(lab)
      const folder = folderOf(pid)
      const pids = [lab.pid, ...findChildren(lab.pid)]

      process.kill(lab.pid, signal)

      expect(pids).toContain(pid)
      // Three servers of the shop, one watchdog, one engine.
      expect(pids).toHaveLength(6)
      await expect.poll(() => pids.filter(findProcess), { timeout: 10_000 }).toEqual([])
      await expect.poll(() => existsSync(folder), { timeout: 5_000 }).toBe(false)
    },
  )
})

describe('the lab without the servers of a strategy', () => {
  it('ends with 1 and names the package', async () => {
    const args = [labProgram, '--headless', '--port', '0', '--strategy', 'redis']
    const run = promisify(execFile)(process.execPath, args, { env: { ...process.env, PATH: '/nonexistent' } })

    const { code, stderr } = (await run.catch((error: unknown) => error)) as { code: number; stderr: string }

    expect(code).toBe(1)
    expect(stderr.trim()).toBe(
      'coatcheck lab: The strategy "redis" cannot run here. ' +
        'redis-server is not installed: install the package "redis-server", or all servers with "npm run servers".',
    )
  })
})
