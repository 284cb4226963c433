/**
 * What the operating system knows about a process: whether it is there, stopped, and still the one we mean.
 *
 * A process id is used again after its process has ended. Id and start time together are not.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** A running or stopped process. */
export interface ProcessEntry {
  /** When it was started, in the system's own notation: only good for comparing. */
  readonly startedAt: string
  /** Whether SIGSTOP holds it. */
  readonly stopped: boolean
}

/** Finds a process; `undefined` when it has ended, also when its parent has not collected it yet. */
export function findProcess(pid: number): ProcessEntry | undefined {
  const [state, startedAt] = process.platform === 'linux' ? readProc(pid) : readPs(pid)
  if (!state || !startedAt || state.startsWith('Z') || state.startsWith('X')) return undefined
  return { startedAt, stopped: state.startsWith('T') }
}

/** Kills a process, unless its id has passed to another one. Resolves when it is gone. */
export async function killProcess(pid: number, startedAt: string): Promise<void> {
  while (findProcess(pid)?.startedAt === startedAt) {
    try {
      process.kill(pid, 'SIGKILL')
    } catch {
      return
    }
    await delay(10)
  }
}

/** Parses `/proc/<pid>/stat`, exported for its test: the command in it may hold spaces and parentheses. */
export function parseProcStat(stat: string): [state?: string, startedAt?: string] {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc(5) counts from 1 and the cut took two fields: state is its 3rd, starttime its 22nd.
  return [fields[0], fields[19]]
}

function readProc(pid: number): [state?: string, startedAt?: string] {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return []
  }
}

function readPs(pid: number): [state?: string, startedAt?: string] {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim()
    const end = line.indexOf(' ')
    return [line.slice(0, end), line.slice(end).trim()]
  } catch {
    return []
  }
}
