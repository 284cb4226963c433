/**
 * Holds an answer back until what it claims has been stored.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'

/** A response whose headers wait for hooks. */
export interface HeaderGate {
  /** Whether the answer has begun or waits for its hooks: what it says is decided. */
  readonly isShut: boolean
  /** Adds a hook that runs once, before the headers leave. */
  add(hook: () => Promise<void> | undefined): void
}

/** What makes Node send the headers. */
const SENDERS = ['writeHead', 'flushHeaders', 'write', 'end'] as const

type Sender = (...values: unknown[]) => unknown

/**
 * Puts a gate before a response.
 *
 * Calls that would send the headers are kept, in order, while a hook's promise is pending. If it rejects, they are
 * dropped and the error is answered: nothing of what the application said has left.
 */
export function createHeaderGate(response: ServerResponse): HeaderGate {
  const hooks: (() => Promise<void> | undefined)[] = []
  const kept: (() => unknown)[] = []
  let state: 'open' | 'waiting' | 'passed' | 'refused' = 'open'

  function pass(call: () => unknown, whenKept: unknown): unknown {
    if (state === 'open') run()
    if (state === 'passed') return call()
    if (state === 'waiting') kept.push(call)
    return whenKept
  }

  function run(): void {
    const pending: Promise<void>[] = []
    // Shut while hooks run, so that a change made by one of them is seen to be late.
    state = 'waiting'
    try {
      for (const hook of hooks) {
        const wait = hook()
        if (wait) pending.push(wait)
      }
    } catch (error) {
      refuse(error)
      return
    }
    if (pending.length === 0) state = 'passed'
    else void Promise.all(pending).then(release, refuse)
  }

  function release(): void {
    state = 'passed'
    for (const call of kept.splice(0)) call()
    // A stream that was told to wait goes on.
    if (!response.writableEnded) response.emit('drain')
  }

  function refuse(error: unknown): void {
    state = 'passed'
    kept.length = 0
    answerError(response, error)
    // What the application still writes belongs to the answer that was dropped.
    state = 'refused'
  }

  for (const name of SENDERS) {
    const send = (response[name] as Sender).bind(response)
    const whenKept = name === 'write' ? false : response
    // An own property, as frameworks and middlewares wrap these the same way; it stays, as others may wrap it in turn.
    Object.defineProperty(response, name, {
      configurable: true,
      writable: true,
      value: (...values: unknown[]) => pass(() => send(...values), whenKept),
    })
  }

  return {
    get isShut() {
      return state !== 'open'
    },
    add(hook) {
      hooks.push(hook)
    },
  }
}

/** Answers an error by its `status` and `headers`, as Express does; without a status it is a 500. */
export function answerError(response: ServerResponse, error: unknown): void {
  const { status = 500, headers = {} } = error as { status?: number; headers?: Record<string, string> }
  for (const name of response.getHeaderNames()) response.removeHeader(name)
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
  })
  const reason =
    status === 503 ? 'The session could not be stored. Try again.' : 'The session could not be changed.'
  response.end(`${reason}\n`)
}
