import { execFile, execFileSync } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { labProgram } from './support/lab.ts'

describe('the command line of the lab', () => {
  it.each([
    [['--strategy', 'floppy'], 'Unknown strategy "floppy". Known: memory, sticky, replicated, sqlite'],
    [['--servers', '27'], '--servers must be a whole number from 1 to 26'],
    [['--frobnicate'], "Unknown option '--frobnicate'"],
    [['experiment', 'F99'], 'Unknown experiment "F99"'],
  ])('ends with 2 for %j', async (args, message) => {
    const { code, stdout, stderr } = await runProgram(args)

    expect(code).toBe(2)
    expect(stderr).toContain(message)
    expect(stderr.trim().split('\n')).toHaveLength(2)
    expect(stdout).toBe('')
  })

  it.each(['--port', '--shop-port'])('ends with 1 when the port of %s is taken', async (option) => {
    const occupant = createServer()
    const port = await new Promise<number>((resolve) => {
      occupant.listen(0, '127.0.0.1', () => resolve((occupant.address() as { port: number }).port))
    })

    const { code, stderr } = await runProgram(['--headless', '--port', '0', option, String(port)])
    occupant.close()

    expect(code).toBe(1)
    expect(stderr.trim()).toBe(
      `coatcheck lab: Port ${port} on 127.0.0.1 is taken, perhaps by another lab: choose another one with ${option}`,
    )
  })

  it('ends with 1, names the package and leaves nothing behind when a binary is missing', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'fleet-test-'))
    const preload = join(folder, 'preload.cjs')
    // As on a platform for which the package ships no binary.
    await writeFile(
      preload,
      `const Module = require('node:module'), load = Module._load
      Module._load = (name, ...rest) => {
        if (name.startsWith('@libsql/')) throw new Error('Cannot find module ' + name)
        return load(name, ...rest)
      }`,
    )

    const env = { ...process.env, NODE_OPTIONS: `--require ${preload}`, TMPDIR: folder }
    const { code, stderr } = await runProgram(['--headless', '--strategy', 'sqlite', '--port', '0'], env)
    const left = execFileSync('ls', [folder], { encoding: 'utf8' }).trim()
    await rm(folder, { recursive: true })

    expect(code).toBe(1)
    expect(stderr).toContain(
      'coatcheck lab: The npm package "libsql" is missing or has no build for this platform: run "npm ci".',
    )
    expect(left).toBe('preload.cjs')
  })

  it('runs an experiment and prints its result as one JSON line', async () => {
    const { code, stdout } = await runProgram(['experiment', 'F15', '--strategy', 'sqlite', '--short'])

    const lines = stdout.trim().split('\n')
    expect(lines).toHaveLength(1)
    expect(JSON.parse(lines[0] ?? '')).toMatchObject({ experiment: 'F15', strategy: 'sqlite', met: true })
    expect(code).toBe(0)
  })

  it('explains itself', async () => {
    const { code, stdout } = await runProgram(['--help'])

    expect(code).toBe(0)
    expect(stdout).toContain('--strategy <name>   memory, sticky, replicated, sqlite')
  })
})

function runProgram(args: readonly string[], env = process.env) {
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve) => {
    const child = execFile(
      process.execPath,
      [labProgram, ...args],
      { env, timeout: 100_000 },
      (_error, stdout, stderr) => {
        resolve({ code: child.exitCode, stdout, stderr })
      },
    )
  })
}
