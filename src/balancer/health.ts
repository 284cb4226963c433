/**
 * Decides whether a server is up: by asking it at intervals, and by what happens to its traffic.
 *
 * @module
 */

import { Client } from 'undici'

/** Options of {@link createHealth}. */
export interface HealthOptions {
  /** Path that is requested. Every status below 500 is a success, so a server without such a page passes too. */
  readonly checkPath: string
  /** Time from the start of one check to the start of the next. */
  readonly checkInterval: number
  /** Time that the answer to a check may take. */
  readonly checkTimeout: number
  /** Failures in a row that take a server out. */
  readonly fall: number
  /** Successful checks in a row that take it back in. */
  readonly rise: number
}

/** Called when the verdict changes. `reason` says why, in words. */
export type HealthListener = (healthy: boolean, reason: string) => void

/** The health of one server. It counts as down until its first check has succeeded. */
export interface Health {
  /** Starts the checks, or starts over after a change of address: the next check alone decides. */
  start(url: string): Promise<void>
  stop(): void
  /** Traffic reached the server. */
  succeeded(): void
  /** Traffic did not. A refused connection is proof enough; others count until `fall` is reached. */
  failed(reason: string, refused: boolean): void
}

/** Creates the health of one server. It asks nothing before it is started, and owns one timer afterwards. */
export function createHealth(options: HealthOptions, onChange: HealthListener): Health {
  const { checkInterval, fall, rise } = options
  let healthy = false
  let undecided = true
  let failures = 0
  let successes = 0
  let trafficFailures = 0
  let timer: NodeJS.Timeout | undefined
  // Grows with each start and stop, so that a check of the past has no say.
  let generation = 0

  function decide(verdict: boolean, reason: string): void {
    undecided = false
    failures = successes = trafficFailures = 0
    if (verdict === healthy) return
    healthy = verdict
    onChange(verdict, reason)
  }

  function judge(failure: string | undefined): void {
    if (failure === undefined) {
      failures = 0
      successes++
      if (undecided || successes >= rise) decide(true, 'the check succeeded')
    } else {
      successes = 0
      failures++
      if (undecided || failures >= fall) decide(false, failure)
    }
  }

  async function run(url: string, started: number): Promise<void> {
    const startedAt = performance.now()
    const failure = await check(url, options)
    if (started !== generation) return
    judge(failure)
    const rest = Math.max(0, checkInterval - (performance.now() - startedAt))
    timer = setTimeout(() => void run(url, started), rest)
  }

  return {
    async start(url) {
      clearTimeout(timer)
      if (healthy) decide(false, 'its address changed')
      undecided = true
      await run(url, ++generation)
    },
    stop() {
      generation++
      clearTimeout(timer)
    },
    succeeded() {
      trafficFailures = 0
    },
    failed(reason, refused) {
      if (!healthy) return
      if (refused || ++trafficFailures >= fall) decide(false, reason)
    },
  }
}

/** Asks once, on a connection of its own: a server that accepts nothing new is down. Resolves to what went wrong. */
async function check(url: string, options: HealthOptions): Promise<string | undefined> {
  const client = new Client(url, { keepAliveTimeout: 1, pipelining: 0 })
  try {
    const response = await client.request({
      method: 'GET',
      path: options.checkPath,
      headers: { 'user-agent': 'coatcheck-balancer' },
      signal: AbortSignal.timeout(options.checkTimeout),
    })
    response.body.on('error', () => {}).destroy()
    return response.statusCode < 500 ? undefined : `the check was answered with ${response.statusCode}`
  } catch (error) {
    return describe(error)
  } finally {
    client.destroy().catch(() => {})
  }
}

function describe(error: unknown): string {
  const { name, code } = error as { readonly name?: string; readonly code?: string }
  if (name === 'TimeoutError') return 'the check timed out'
  return `the check failed: ${code ?? name ?? 'unknown error'}`
}
