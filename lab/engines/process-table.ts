/**
 * What the operating system knows about a process: whether it is there, stopped, and still the one we mean.
 *
 * A process id is used again after its process has ended. Id and start time together are not.
 *
 * @module
 */

import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'

/** A running or stopped process. */
export interface ProcessEntry {
  /** When it was started, in the system's own notation: only good for comparing. */
  readonly startedAt: string
  /** Whether SIGSTOP holds it. */
  readonly stopped: boolean
  /** Process id of its parent. */
  readonly parent: number
}

/** Finds a process; `undefined` when it has ended, also when its parent has not collected it yet. */
export function findProcess(pid: number): ProcessEntry | undefined {
  const [state, parent, startedAt] = process.platform === 'linux' ? readProc(pid) : readPs(pid)
  if (!state || !startedAt || state.startsWith('Z') || state.startsWith('X')) return undefined
  return { startedAt, stopped: state.startsWith('T'), parent: Number(parent) }
}

/** Finds the ids of the processes that a process has started and that have not ended. */
export function findChildren(pid: number): readonly number[] {
  return listProcesses().filter((each) => findProcess(each)?.parent === pid)
}

/** Parses `/proc/<pid>/stat`, exported for its test: the command in it may hold spaces and parentheses. */
export function parseProcStat(stat: string): [state?: string, parent?: string, startedAt?: string] {
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  // proc(5) counts from 1 and the cut took two fields: state is its 3rd, ppid its 4th, starttime its 22nd.
  return [fields[0], fields[1], fields[19]]
}

function readProc(pid: number): [state?: string, parent?: string, startedAt?: string] {
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, 'utf8'))
  } catch {
    return []
  }
}

function readPs(pid: number): [state?: string, parent?: string, startedAt?: string] {
  try {
    const line = execFileSync('ps', ['-o', 'stat=,ppid=,lstart=', '-p', String(pid)], { encoding: 'utf8' })
    const [state, parent, ...start] = line.trim().split(/\s+/)
    return [state, parent, start.join(' ')]
  } catch {
    return []
  }
}

function listProcesses(): readonly number[] {
  if (process.platform === 'linux') return readdirSync('/proc').map(Number).filter(Number.isInteger)
  return execFileSync('ps', ['-A', '-o', 'pid='], { encoding: 'utf8' }).trim().split(/\s+/).map(Number)
}
