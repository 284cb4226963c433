/**
 * Engines that are started together, with a temporary folder and a guard, both gone when they are.
 *
 * @module
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import type { Account } from './account.ts'
import { createEngine, type Engine, type EngineSpec, type OwnedEngine } from './engine.ts'
import { createGuard, type Guard } from './guard.ts'

/** Engines that were started together. */
export interface EngineGroup {
  readonly engines: readonly Engine[]
  /** Ends all of them and removes their files. */
  close(): Promise<void>
}

/** Options of every group of engines. */
export interface EngineOptions {
  /**
   * Guard of this process, when it has one already.
   *
   * @default one of its own
   */
  readonly guard?: Guard
  /**
   * Called when an engine has ended that nobody asked to end, with a word on how: `SIGKILL` or `code 1`.
   *
   * @default nobody is told
   */
  readonly onCrash?: (name: string, how: string) => void
}

/** A group that is being filled. */
export interface OpenGroup extends EngineGroup {
  /** Folder for everything: configuration, data, logs. */
  readonly folder: string
  /** Starts one more engine. Resolves when it answers. */
  readonly start: (spec: EngineSpec) => Promise<Engine>
  /**
   * Runs a program to its end.
   *
   * @throws When it fails; the message carries what it wrote to its standard error.
   */
  readonly run: (file: string, args: readonly string[], account: Account | undefined) => Promise<void>
}

/**
 * Opens a group and fills it. When that fails, nothing stays behind.
 *
 * Whatever becomes of this process, the engines end with it and the folder is removed.
 *
 * @param account Owner of the folder; `undefined`: that of this process.
 */
export async function createGroup<Filled>(
  options: EngineOptions,
  fill: (group: OpenGroup) => Promise<Filled>,
  account?: Account,
): Promise<Filled & EngineGroup> {
  const { onCrash = () => undefined } = options
  const folder = await mkdtemp(join(tmpdir(), 'coatcheck-engines-'))
  if (account) await chown(folder, account.uid, account.gid)
  const guard = options.guard ?? createGuard()
  guard.addFolder(folder)
  const engines: OwnedEngine[] = []
  const abandon = () => void guard.close()
  let closing: Promise<void> | undefined
  /** An engine that ends while it is started is told of by the error. */
  let filled = false

  async function end(): Promise<void> {
    process.off('disconnect', abandon)
    await Promise.all(engines.map((engine) => engine.end()))
    await rm(folder, { recursive: true, force: true, maxRetries: 5 })
    if (!options.guard) await guard.close()
  }

  function close(): Promise<void> {
    closing ??= end()
    return closing
  }

  // A worker of a test runner outlives the runner that was killed, as its engines keep it busy: nobody will close them.
  if (!options.guard) process.once('disconnect', abandon)
  try {
    const rest = await fill({
      engines,
      folder,
      async start(spec) {
        const engine = createEngine(spec, {
          guard,
          folder,
          onCrash: (name, how) => {
            if (filled) onCrash(name, how)
          },
        })
        engines.push(engine)
        await engine.start()
        return engine
      },
      run: (file, args, account) => runProgram(guard, file, args, account),
      close,
    })
    filled = true
    return { ...rest, engines, close }
  } catch (error) {
    await close()
    throw error
  }
}

async function runProgram(
  guard: Guard,
  file: string,
  args: readonly string[],
  account: Account | undefined,
): Promise<void> {
  const child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], cwd: '/', ...account })
  let errors = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    errors += text
  })
  if (child.pid !== undefined) guard.watch(child.pid)
  const [code] = (await once(child, 'close')) as [number | null]
  if (child.pid !== undefined) guard.release(child.pid)
  if (code !== 0) throw new Error(`${basename(file)} failed: ${errors.trim()}`)
}
