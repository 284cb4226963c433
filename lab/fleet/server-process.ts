/**
 * One server process, as its parent holds it.
 *
 * @module
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { Guard } from '../engines/guard.ts'
import { findProcess } from '../engines/process-table.ts'
import type { ServerConfig, ServerMessage, ServerReport } from './server-messages.ts'

/** A server process that was started. */
export interface ServerProcess {
  readonly pid: number
  /** Resolves to its port when it listens; rejects when it ends before that. */
  readonly ready: Promise<number>
  /** Resolves when it is gone, to a word on how: `SIGKILL` or `code 1`. */
  readonly ended: Promise<string>
  /** Whether SIGSTOP holds it, as of the last {@link ServerProcess.refresh}, `pause` or `resume`. */
  readonly paused: boolean
  /** Asks the system whether somebody else has paused or resumed it. */
  refresh(): void
  /** Stops it where it stands, with SIGSTOP. Resolves when the system has done so. */
  pause(): Promise<void>
  /** Lets it go on, with SIGCONT. */
  resume(): void
  /** Ends it with SIGKILL, paused or not. Resolves when it is gone. */
  kill(): Promise<void>
  /** Lets it finish its requests; kills it when it takes longer than the timeout, or is paused. */
  end(timeout: number): Promise<void>
}

/** How long a server may take to listen. */
const START_TIMEOUT = 20_000

/**
 * Starts a server process.
 *
 * @param onReport Called with what it reports once it is ready: its sessions about ten times a second.
 */
export function startServerProcess(
  config: ServerConfig,
  guard: Guard,
  onReport: (report: ServerReport) => void,
): ServerProcess {
  const child = fork(fileURLToPath(new URL('server.js', import.meta.url)), [JSON.stringify(config)], {
    // Standard output of the lab carries one JSON line and nothing else.
    stdio: ['ignore', 2, 2, 'ipc'],
    execArgv: [],
  })
  const { pid } = child
  if (pid === undefined) throw new Error(`Cannot start server ${config.id} as the system gave it no process`)
  guard.watch(pid)
  let paused = false

  const ended = (once(child, 'exit') as Promise<[number | null, NodeJS.Signals | null]>).then(
    ([code, signal]) => {
      guard.release(pid)
      return signal ?? `code ${code}`
    },
  )
  const ready = new Promise<number>((resolve, reject) => {
    const fail = (reason: string) => reject(new Error(`Cannot start server ${config.id}: ${reason}`))
    const timer = setTimeout(() => fail(`it did not listen within ${START_TIMEOUT} ms`), START_TIMEOUT)
    child.on('message', (message: ServerMessage) => {
      if (message.type === 'ready') resolve(message.port)
      else if (message.type === 'failed') fail(message.reason)
      else onReport(message)
    })
    void ended.then((how) => {
      clearTimeout(timer)
      fail(`it ended with ${how}`)
    })
    child.once('message', () => clearTimeout(timer))
  })
  // Whoever is not waiting for it any more learns of the end from `ended`.
  ready.catch(() => undefined)

  async function kill(): Promise<void> {
    child.kill('SIGKILL')
    await ended
  }

  return {
    pid,
    ready,
    ended,
    get paused() {
      return paused
    },
    refresh() {
      paused = findProcess(pid)?.stopped ?? false
    },
    async pause() {
      child.kill('SIGSTOP')
      for (let entry = findProcess(pid); entry && !entry.stopped; entry = findProcess(pid)) await delay(2)
      paused = true
    },
    resume() {
      child.kill('SIGCONT')
      paused = false
    },
    kill,
    async end(timeout) {
      if (paused) return await kill()
      child.kill('SIGTERM')
      const late = setTimeout(() => child.kill('SIGKILL'), timeout)
      await ended
      clearTimeout(late)
    },
  }
}
