import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { expectProgram, missingServer } from './installed.ts'

/** A PATH of one empty folder. */
async function createTrial() {
  const folder = await mkdtemp(join(tmpdir(), 'installed-test-'))
  vi.stubEnv('PATH', folder)
  onTestFinished(async () => {
    vi.unstubAllEnvs()
    await rm(folder, { recursive: true })
  })
  return folder
}

describe('missingServer()', () => {
  it('says which package to install, and how', async () => {
    await createTrial()

    const sentence = missingServer('memcached')

    expect(sentence).toBe(
      'memcached is not installed: install the package "memcached", or all servers with "npm run servers".',
    )
    expect(() => expectProgram('memcached')).toThrow('install the package "memcached"')
  })

  it('has nothing to say of a program in the PATH that can be run', async () => {
    const folder = await createTrial()
    const program = join(folder, 'memcached')
    await writeFile(program, '#!/bin/sh\n')
    const before = missingServer('memcached')

    await chmod(program, 0o755)

    expect(before).toContain('is not installed')
    expect(missingServer('memcached')).toBeUndefined()
    expect(expectProgram('memcached')).toBe(program)
  })
})
