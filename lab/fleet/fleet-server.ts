/**
 * One place in the fleet: `A` stays `A` while processes come and go in it.
 *
 * @module
 */

import type { Guard } from '../engines/guard.ts'
import { LabError } from './lab-error.ts'
import type { ServerStatus } from './protocol.ts'
import type { ServerConfig, ServerReport } from './server-messages.ts'
import { type ServerProcess, startServerProcess } from './server-process.ts'

/** What a place needs to fill itself, and whom it tells. */
export interface FleetServerContext {
  readonly guard: Guard
  /** How the next process is to run; asked at every start. */
  config(id: string, port: number): ServerConfig
  onReport(id: string, report: ServerReport): void
  /** The process is gone. `expected`: somebody asked for it. */
  onEnd(id: string, how: string, expected: boolean): void
}

/** One place in the fleet, with or without a process in it. */
export interface FleetServer {
  readonly id: string
  readonly pid: number | undefined
  /** Address that the process has, or had last. */
  readonly url: string
  readonly status: ServerStatus
  /** Takes no new visitors. Survives a pause, not an end. */
  draining: boolean
  /** Starts a process. Resolves when it listens; rejects when it ends before that. */
  start(): Promise<void>
  pause(): Promise<void>
  resume(): void
  kill(): Promise<void>
  /** Lets it finish its requests, with a timeout in milliseconds. */
  end(timeout: number): Promise<void>
  /** Notices what others did to the process. */
  refresh(): void
}

/** Creates an empty place. */
export function createFleetServer(id: string, context: FleetServerContext): FleetServer {
  let process: ServerProcess | undefined
  let ready = false
  let draining = false
  let port = 0
  const expectedEnds = new WeakSet<ServerProcess>()

  function expectProcess(): ServerProcess {
    if (!process) throw new LabError('ERR_CONFLICT', `Server ${id} is not running`)
    return process
  }

  /** Ends the process on purpose. Nothing happens when there is none. */
  async function finish(end: (running: ServerProcess) => Promise<void>): Promise<void> {
    if (!process) return
    expectedEnds.add(process)
    await end(process)
  }

  return {
    id,
    get pid() {
      return process?.pid
    },
    get url() {
      return `http://127.0.0.1:${port}`
    },
    get status() {
      if (!process) return 'stopped'
      if (process.paused) return 'paused'
      if (!ready) return 'starting'
      return draining ? 'draining' : 'ready'
    },
    get draining() {
      return draining
    },
    set draining(value) {
      draining = value
    },
    async start() {
      if (process) throw new LabError('ERR_CONFLICT', `Server ${id} is running already`)
      const started = startServerProcess(context.config(id, port), context.guard, (report) => {
        context.onReport(id, report)
      })
      process = started
      ready = false
      draining = false
      void started.ended.then((how) => {
        if (process === started) process = undefined
        context.onEnd(id, how, expectedEnds.has(started))
      })
      port = await started.ready
      ready = true
    },
    async pause() {
      await expectProcess().pause()
    },
    resume() {
      expectProcess().resume()
    },
    kill: () => finish((running) => running.kill()),
    end: (timeout) => finish((running) => running.end(timeout)),
    refresh() {
      process?.refresh()
    },
  }
}
