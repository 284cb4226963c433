/**
 * The controls of the fleet, as calls that resolve or reject with a sentence for the person who pressed.
 *
 * @module
 */

import type {
  EngineAction,
  ExperimentResult,
  RoutingName,
  ServerAction,
  TrafficSettings,
} from '../../../fleet/protocol.ts'

/** The fleet refused, failed, or could not be reached. */
export class ControlError extends Error {
  override readonly name = 'ControlError'
  /** HTTP status of the refusal; `undefined` when no answer came. */
  readonly status: number | undefined

  constructor(message: string, status: number | undefined, options?: ErrorOptions) {
    super(message, options)
    this.status = status
  }
}

/** Drives the fleet. Every call rejects with {@link ControlError}. */
export interface Control {
  switchStrategy(name: string, routing?: RoutingName): Promise<void>
  actOnServer(id: string, action: ServerAction): Promise<void>
  actOnEngine(name: string, action: EngineAction): Promise<void>
  /** Changes what is given and leaves the rest. */
  setTraffic(change: Partial<TrafficSettings>): Promise<void>
  runExperiment(name: string): Promise<ExperimentResult>
}

/** Creates the controls on a `fetch` of the page's own origin. */
export function createControl(fetch: typeof globalThis.fetch): Control {
  async function post(path: string, body: object = {}): Promise<unknown> {
    const response = await fetch(`/api/${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    }).catch((cause: unknown) => {
      throw new ControlError('The control server did not answer', undefined, { cause })
    })
    const answer = parse(await response.text())
    if (!response.ok) throw new ControlError(reasonOf(answer) ?? `HTTP ${response.status}`, response.status)
    return answer
  }

  return {
    async switchStrategy(name, routing) {
      await post('strategy', { name, routing })
    },
    async actOnServer(id, action) {
      await post(`servers/${encodeURIComponent(id)}/${action}`)
    },
    async actOnEngine(name, action) {
      await post(`engines/${encodeURIComponent(name)}/${action}`)
    },
    async setTraffic(change) {
      await post('traffic', change)
    },
    async runExperiment(name) {
      return (await post(`experiments/${encodeURIComponent(name)}`)) as ExperimentResult
    },
  }
}

/** An error page of something in between is not JSON; its text is kept as it is. */
function parse(text: string): unknown {
  try {
    return text === '' ? undefined : JSON.parse(text)
  } catch {
    return { error: text.slice(0, 200) }
  }
}

function reasonOf(answer: unknown): string | undefined {
  if (typeof answer !== 'object' || answer === null) return undefined
  const { error, message } = answer as { readonly error?: unknown; readonly message?: unknown }
  if (typeof message === 'string') return message
  return typeof error === 'string' ? error : reasonOf(error)
}
