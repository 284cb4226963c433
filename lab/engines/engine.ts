/**
 * One real server, as a process that can be killed, paused, resumed and started again.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Account } from './account.ts'
import type { Guard } from './guard.ts'
import { PortTakenError } from './ports.ts'
import { findChildren, findProcess } from './process-table.ts'
import { waitUntil } from './wait-until.ts'

/** `paused`: SIGSTOP holds it; `stopped`: there is no process. */
export type EngineStatus = 'ready' | 'paused' | 'stopped'

/** A real server on 127.0.0.1. */
export interface Engine {
  readonly name: string
  /** Process id; `undefined` while stopped. */
  readonly pid: number | undefined
  readonly port: number
  readonly status: EngineStatus
  /** Ends it and its children with SIGKILL. Resolves when they are gone, at once when it is stopped. */
  kill(): Promise<void>
  /** Stops it and its children where they stand, with SIGSTOP. Resolves when the system has done so. */
  pause(): Promise<void>
  /** Lets them go on, with SIGCONT. */
  resume(): Promise<void>
  /**
   * Starts it again, on the same port and the same data. Resolves when it answers.
   *
   * @throws When it runs, or ends, or does not answer within 20 s; the message carries the end of its log.
   */
  start(): Promise<void>
}

/** How an engine is run. */
export interface EngineSpec {
  readonly name: string
  readonly port: number
  readonly file: string
  readonly args: readonly string[]
  /** Account that it runs as; absent: that of this process. */
  readonly account?: Account | undefined
  /**
   * Resolves when this very process answers; rejects as long as it does not.
   *
   * Whoever answers on its port may be somebody else, who was faster to take it.
   */
  readonly check: (pid: number) => Promise<void>
  /**
   * Resolves when it works together with its group again; rejects as long as it does not. A start waits for it, though
   * not for ever: the others may be down.
   *
   * @default nothing more to wait for
   */
  readonly checkGroup?: () => Promise<void>
  /**
   * Signal that ends it for good.
   *
   * @default 'SIGKILL'
   */
  readonly endSignal?: NodeJS.Signals
}

/** What an engine lives in. */
export interface EngineContext {
  readonly guard: Guard
  /** Folder of its log. */
  readonly folder: string
  /** It has ended and nobody asked for it. */
  readonly onCrash: (name: string, how: string) => void
}

/** An engine, for the group that owns it. */
export interface OwnedEngine extends Engine {
  /** Ends it for good. Nothing happens when it is stopped. */
  end(): Promise<void>
}

const START_TIMEOUT = 20_000
const GROUP_TIMEOUT = 5_000
const END_TIMEOUT = 3_000

/** Creates an engine that is stopped. */
export function createEngine(spec: EngineSpec, { guard, folder, onCrash }: EngineContext): OwnedEngine {
  const { name, port } = spec
  const log = join(folder, `${name}.log`)
  const expectedEnds = new WeakSet<ChildProcess>()
  let child: ChildProcess | undefined

  function expectChild(): ChildProcess & { readonly pid: number } {
    if (child?.pid === undefined) throw new Error(`Cannot reach ${name} as it is not running`)
    return child as ChildProcess & { readonly pid: number }
  }

  function launch(): ChildProcess & { readonly pid: number } {
    const output = openSync(log, 'a')
    const { uid, gid } = spec.account ?? {}
    const launched = spawn(spec.file, spec.args, {
      cwd: folder,
      stdio: ['ignore', output, output],
      ...(uid !== undefined && { uid, gid }),
    })
    closeSync(output)
    launched.once('error', () => undefined)
    child = launched
    if (launched.pid === undefined) {
      child = undefined
      throw new Error(`Cannot start ${name} as the system gave it no process`)
    }
    const { pid } = launched
    guard.watch(pid)
    launched.once('exit', (code, signal) => {
      guard.release(pid)
      if (child === launched) child = undefined
      if (!expectedEnds.has(launched)) onCrash(name, signal ?? `code ${code}`)
    })
    return launched as ChildProcess & { readonly pid: number }
  }

  async function becomeReady(launched: ChildProcess & { readonly pid: number }): Promise<void> {
    const hasEnded = () => child !== launched
    try {
      await waitUntil(() => spec.check(launched.pid), START_TIMEOUT, hasEnded)
    } catch (cause) {
      throw await describeFailure(hasEnded() ? 'it has ended' : `it is silent for ${START_TIMEOUT} ms`, cause)
    }
    const { checkGroup } = spec
    if (checkGroup) await waitUntil(checkGroup, GROUP_TIMEOUT).catch(() => undefined)
  }

  async function describeFailure(what: string, cause: unknown): Promise<Error> {
    const tail = (await readFile(log, 'utf8').catch(() => '')).slice(-2_000).trim()
    const message = `Cannot start ${name} on port ${port}: ${what}. Its log ends with:\n${tail}`
    return /address already in use/i.test(tail)
      ? new PortTakenError(message, { cause })
      : new Error(message, { cause })
  }

  async function kill(): Promise<void> {
    if (!child) return
    const running = expectChild()
    const pids = [running.pid, ...findChildren(running.pid)]
    expectedEnds.add(running)
    signal(pids, 'SIGKILL')
    await ended(running)
    // A PostgreSQL whose old processes are still there refuses to start.
    while (pids.some(findProcess)) await delay(5)
  }

  return {
    name,
    port,
    get pid() {
      return child?.pid
    },
    get status() {
      const entry = child?.pid === undefined ? undefined : findProcess(child.pid)
      if (!entry) return 'stopped'
      return entry.stopped ? 'paused' : 'ready'
    },
    kill,
    async pause() {
      const { pid } = expectChild()
      signal([pid], 'SIGSTOP')
      await becomeStopped(pid)
      // Its children only now: it can start no more of them.
      const children = findChildren(pid)
      signal(children, 'SIGSTOP')
      await Promise.all(children.map(becomeStopped))
    },
    async resume() {
      const { pid } = expectChild()
      signal([...findChildren(pid), pid], 'SIGCONT')
    },
    async start() {
      // Node may tell of an end a moment later than the system.
      if (child?.pid !== undefined && !findProcess(child.pid)) await ended(child)
      if (child) throw new Error(`Cannot start ${name} as it is running`)
      const launched = launch()
      try {
        await becomeReady(launched)
      } catch (error) {
        if (child === launched) await kill()
        throw error
      }
    },
    async end() {
      if (!child) return
      const running = expectChild()
      const { endSignal } = spec
      if (endSignal) {
        expectedEnds.add(running)
        signal([running.pid], endSignal)
        // A signal waits as long as SIGSTOP holds its process.
        signal([...findChildren(running.pid), running.pid], 'SIGCONT')
        const patience = AbortSignal.timeout(END_TIMEOUT)
        await once(running, 'exit', { signal: patience }).catch(() => undefined)
      }
      await kill()
    },
  }
}

async function ended(child: ChildProcess): Promise<void> {
  if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
}

async function becomeStopped(pid: number): Promise<void> {
  for (let entry = findProcess(pid); entry && !entry.stopped; entry = findProcess(pid)) await delay(2)
}

/** Sends a signal to each that has not ended in the meantime. */
function signal(pids: readonly number[], name: NodeJS.Signals): void {
  for (const pid of pids) {
    try {
      process.kill(pid, name)
    } catch {
      // It has ended.
    }
  }
}
