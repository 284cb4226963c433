/**
 * The process that cleans up after a fleet whose parent has crashed.
 *
 * The parent holds the other end of standard input. When it ends, in whatever way, the system closes the pipe; then
 * this process kills what the parent had started, paused or not, and removes its folder. It stands in a session of its
 * own, so that neither Ctrl-C nor a signal to the parent's group takes it along.
 *
 * @module
 */

import { rm } from 'node:fs/promises'
import { createInterface } from 'node:readline'
import type { WatchdogMessage } from './guard.ts'
import { killProcess } from './process-table.ts'

const watched = new Map<number, string>()
let folder: string | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => undefined)

for await (const line of createInterface({ input: process.stdin })) {
  const message = parse(line)
  if (message?.type === 'folder') folder = message.folder
  if (message?.type === 'watch') watched.set(message.pid, message.startedAt)
  if (message?.type === 'release') watched.delete(message.pid)
}

await Promise.all([...watched].map(([pid, startedAt]) => killProcess(pid, startedAt)))
if (folder) await rm(folder, { recursive: true, force: true, maxRetries: 5 })
process.exit()

/** The last line may be cut short: its writer was killed. */
function parse(line: string): WatchdogMessage | undefined {
  try {
    return JSON.parse(line) as WatchdogMessage
  } catch {
    return undefined
  }
}
