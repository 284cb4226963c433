/**
 * Makes sure that nothing outlives this process, even when it is killed with SIGKILL while a child is paused.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { findProcess } from './process-table.ts'
import { watchdogScript } from './watchdog.ts'

/** Keeps the list of what has to go when this process ends. */
export interface Guard {
  /** Adds a process that this one has just started. */
  watch(pid: number): void
  /** Takes a process off the list: it has ended. */
  release(pid: number): void
  /** Adds a temporary folder. */
  addFolder(folder: string): void
  /** Ends the watchdog, which kills what is still on the list and removes the folders. */
  close(): Promise<void>
}

/** Starts a watchdog process for the children and the folders of this process. */
export function createGuard(): Guard {
  const watched = new Map<number, string>()
  const folders = new Set<string>()
  let closing = false
  let watchdog = startWatchdog()

  function startWatchdog(): ChildProcess {
    // A session of its own, so that neither Ctrl-C nor a signal to the parent's group takes it along.
    const child = spawn('/bin/sh', ['-c', watchdogScript], {
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    // The pipe to a watchdog that was killed reports EPIPE; its replacement is told everything again.
    child.stdin?.on('error', () => undefined)
    child.once('exit', (_code, signal) => {
      if (!closing && signal) watchdog = startWatchdog()
    })
    for (const folder of folders) write(child, 'folder', folder)
    for (const [pid, startedAt] of watched) write(child, 'watch', `${pid} ${startedAt}`)
    return child
  }

  return {
    watch(pid) {
      const startedAt = findProcess(pid)?.startedAt
      if (!startedAt) return
      watched.set(pid, startedAt)
      write(watchdog, 'watch', `${pid} ${startedAt}`)
    },
    release(pid) {
      watched.delete(pid)
    },
    addFolder(folder) {
      folders.add(folder)
      write(watchdog, 'folder', folder)
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

function write(watchdog: ChildProcess, order: 'watch' | 'folder', what: string): void {
  watchdog.stdin?.write(`${order} ${what}\n`)
}
