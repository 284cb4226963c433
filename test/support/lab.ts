/**
 * Starts the lab as its users do: the compiled program in a process of its own, driven over HTTP.
 *
 * @module
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import type { EngineAction, ExperimentResult, LabState, ServerAction } from '../../lab/fleet/protocol.ts'

/** The compiled program. */
export const labProgram = fileURLToPath(new URL('../../lab/dist/fleet/main.js', import.meta.url))

/** What the lab prints once everything is ready. */
export interface LabLine {
  /** Public address of the shop, through the balancer. */
  readonly shop: string
  /** Address of the control API. */
  readonly control: string
  readonly servers: readonly { readonly id: string; readonly pid: number; readonly url: string }[]
  readonly engines: readonly { readonly name: string; readonly pid: number; readonly port: number }[]
}

/** A running lab. */
export interface Lab extends LabLine {
  readonly pid: number
  state(): Promise<LabState>
  /** Resolves when the action has taken effect. */
  act(serverId: string, action: ServerAction): Promise<void>
  /** The same for a back-end server. */
  actOnEngine(name: string, action: EngineAction): Promise<void>
  /** Runs an experiment inside the lab. */
  experiment(name: string, options?: object): Promise<ExperimentResult>
  /** Calls any route of the control API, for instance `POST`, `/api/traffic`. */
  call(method: string, path: string, body?: object): Promise<Response>
  /** Everything the lab has written to its standard error so far. */
  stderr(): string
  /** Asks the lab to end, and ends it by force after ten seconds. Resolves to its exit code; `undefined`: forced. */
  stop(): Promise<number | undefined>
}

/**
 * Starts a headless lab on free ports and waits until all of it is ready.
 *
 * @param args More of the command line, for instance `['--strategy', 'sqlite', '--servers', '3']`.
 * @throws When the lab ends, or says nothing within 30 s; the message carries its standard error.
 */
export async function startLab(args: readonly string[] = []): Promise<Lab> {
  const child = spawn(process.execPath, [labProgram, '--headless', '--port', '0', '--json', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  try {
    const line = parseLine(await firstLine(child, child.stdout))
    return createLab(child, line, () => stderr)
  } catch (error) {
    await end(child)
    throw new Error(`Cannot start the lab ${args.join(' ')}:\n${stderr}`, { cause: error })
  }
}

function createLab(child: ChildProcess, line: LabLine, stderr: () => string): Lab {
  async function call(method: string, path: string, body?: object): Promise<Response> {
    const response = await fetch(new URL(path, line.control), {
      method,
      ...(body && { body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }),
    })
    if (!response.ok)
      throw new Error(`${method} ${path} answered ${response.status}: ${await response.text()}`)
    return response
  }

  return {
    ...line,
    pid: child.pid as number,
    stderr,
    call,
    async state() {
      return (await (await call('GET', '/api/state')).json()) as LabState
    },
    async act(serverId, action) {
      await call('POST', `/api/servers/${serverId}/${action}`)
    },
    async actOnEngine(name, action) {
      await call('POST', `/api/engines/${name}/${action}`)
    },
    async experiment(name, options) {
      return (await (await call('POST', `/api/experiments/${name}`, options)).json()) as ExperimentResult
    },
    stop: () => end(child),
  }
}

/** Resolves to the first line that the lab prints. */
async function firstLine(child: ChildProcess, stdout: NodeJS.ReadableStream): Promise<string> {
  const patience = new AbortController()
  const lines = createInterface({ input: stdout })
  try {
    const outcome = await Promise.race([
      once(lines, 'line', { signal: patience.signal }) as Promise<[string]>,
      once(child, 'exit', { signal: patience.signal }).then(() => 'ended' as const),
      delay(30_000, 'silent' as const, { signal: patience.signal }),
    ])
    if (typeof outcome === 'string')
      throw new Error(`The lab ${outcome === 'ended' ? 'ended' : 'printed nothing'}`)
    return outcome[0]
  } finally {
    patience.abort()
  }
}

function parseLine(text: string): LabLine {
  const line = JSON.parse(text) as Partial<LabLine>
  if (!line.shop || !line.control || !line.servers) throw new Error(`The lab printed something else: ${text}`)
  return line as LabLine
}

/** The servers are the lab's children: after a forced end, they find their parent gone and end themselves. */
async function end(child: ChildProcess): Promise<number | undefined> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode ?? undefined
  const ended = once(child, 'exit') as Promise<[number | null]>
  const patience = new AbortController()
  child.kill('SIGTERM')
  const force = delay(10_000, undefined, { signal: patience.signal }).then(
    () => child.kill('SIGKILL'),
    () => false,
  )
  const [code] = await ended
  patience.abort()
  await force
  return code ?? undefined
}
