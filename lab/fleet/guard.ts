/**
 * Makes sure that nothing outlives this process, even when it is killed with SIGKILL while a child is paused.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { findProcess } from './process-table.ts'

/** What the guard writes to its watchdog, one JSON line each. */
export type WatchdogMessage =
  | { readonly type: 'folder'; readonly folder: string }
  | { readonly type: 'watch'; readonly pid: number; readonly startedAt: string }
  | { readonly type: 'release'; readonly pid: number }

/** Keeps the list of what has to go when this process ends. */
export interface Guard {
  /** Adds a process that this one has just started. */
  watch(pid: number): void
  /** Takes a process off the list: it has ended. */
  release(pid: number): void
  /** Ends the watchdog, which kills what is still on the list and removes the folder. */
  close(): Promise<void>
}

/** Options of {@link createGuard}. */
export interface GuardOptions {
  /**
   * Compiled entry of the watchdog.
   *
   * @default `watchdog.js` beside this module
   */
  readonly entry?: string
}

/**
 * Starts a watchdog process for the children of this process.
 *
 * @param folder Temporary folder that goes with them.
 */
export function createGuard(folder: string, options: GuardOptions = {}): Guard {
  const { entry = fileURLToPath(new URL('watchdog.js', import.meta.url)) } = options
  const watched = new Map<number, string>()
  let closing = false
  let watchdog = startWatchdog()

  function startWatchdog(): ChildProcess {
    const child = spawn(process.execPath, [entry], { detached: true, stdio: ['pipe', 'ignore', 'ignore'] })
    // The pipe to a watchdog that was killed reports EPIPE; its replacement is told everything again.
    child.stdin?.on('error', () => undefined)
    child.once('exit', (_code, signal) => {
      if (!closing && signal) watchdog = startWatchdog()
    })
    write(child, { type: 'folder', folder })
    for (const [pid, startedAt] of watched) write(child, { type: 'watch', pid, startedAt })
    return child
  }

  return {
    watch(pid) {
      const startedAt = findProcess(pid)?.startedAt
      if (!startedAt) return
      watched.set(pid, startedAt)
      write(watchdog, { type: 'watch', pid, startedAt })
    },
    release(pid) {
      if (watched.delete(pid)) write(watchdog, { type: 'release', pid })
    },
    async close() {
      closing = true
      if (watchdog.exitCode !== null || watchdog.signalCode !== null) return
      const exit = once(watchdog, 'exit')
      watchdog.stdin?.end()
      await exit
    },
  }
}

function write(watchdog: ChildProcess, message: WatchdogMessage): void {
  watchdog.stdin?.write(`${JSON.stringify(message)}\n`)
}
