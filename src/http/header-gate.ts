/**
 * Holds an answer back until what it claims has been stored.
 *
 * @module
 */

import type { ServerResponse } from 'node:http'

type Hook = () => Promise<void> | undefined
type Sender = (this: ServerResponse, ...values: unknown[]) => unknown
type Senders = Record<'writeHead' | 'flushHeaders' | 'write' | 'end', Sender>

/** A response with a gate before it, once a hook was added. */
interface Gated {
  [gateOf]?: HeaderGate
  [wrapped]?: Partial<Senders>
}

const gateOf = Symbol('coatcheck gate')
const wrapped = Symbol('coatcheck wrapped methods')

/**
 * The methods that make Node send the headers, as every gated response has them.
 *
 * One set serves all responses: preparing one allocates nothing.
 */
const gated: Senders = {
  writeHead(...values) {
    return send(this, 'writeHead', values, this)
  },
  flushHeaders(...values) {
    return send(this, 'flushHeaders', values, undefined)
  },
  write(...values) {
    return send(this, 'write', values, false)
  },
  end(...values) {
    return send(this, 'end', values, this)
  },
}
const names = Object.keys(gated) as (keyof Senders)[]

/**
 * Makes it possible to hold this answer back later. Until a hook is added, everything works as before.
 *
 * It happens before the application sees the response: in `response.end(await page())` the method is looked up before
 * the page asks for its session.
 */
export function prepareGate(response: ServerResponse): void {
  const target = response as unknown as Senders & Gated
  if (target.end === gated.end) return
  for (const name of names) {
    // Another middleware may have wrapped it before us.
    if (Object.hasOwn(target, name)) (target[wrapped] ??= {})[name] = target[name]
    target[name] = gated[name]
  }
}

/** The gate of a prepared response; it is made when first asked for. */
export function gateBefore(response: ServerResponse): HeaderGate {
  return ((response as ServerResponse & Gated)[gateOf] ??= new HeaderGate(response))
}

/** A response whose headers wait for hooks. */
export class HeaderGate {
  readonly #response: ServerResponse
  readonly #hooks: Hook[] = []
  readonly #kept: (() => unknown)[] = []
  #state: 'open' | 'waiting' | 'passed' | 'refused' = 'open'

  /** Made by {@link gateBefore} only. */
  constructor(response: ServerResponse) {
    this.#response = response
  }

  /** Whether the answer has begun or waits for its hooks: what it says is decided. */
  get isShut(): boolean {
    return this.#state !== 'open'
  }

  /** Adds a hook that runs once, before the headers leave. */
  add(hook: Hook): void {
    this.#hooks.push(hook)
  }

  /**
   * Lets a call that sends the headers through, or keeps it while a hook's promise is pending.
   *
   * If that rejects, all such calls are dropped and the error is answered: nothing of what the application said has left.
   */
  pass(call: () => unknown, whenKept: unknown): unknown {
    if (this.#state === 'open') this.#runHooks()
    if (this.#state === 'passed') return call()
    if (this.#state === 'waiting') this.#kept.push(call)
    return whenKept
  }

  #runHooks(): void {
    // Shut from here on: a change made while the hooks run comes too late for them.
    this.#state = 'waiting'
    try {
      const pending = this.#hooks.map((hook) => hook()).filter((wait) => wait !== undefined)
      if (pending.length === 0) this.#state = 'passed'
      else
        void Promise.all(pending).then(
          () => this.#release(),
          (error: unknown) => this.#refuse(error),
        )
    } catch (error) {
      this.#refuse(error)
    }
  }

  #release(): void {
    this.#state = 'passed'
    for (const call of this.#kept.splice(0)) call()
    // A stream that was told to wait goes on.
    if (!this.#response.writableEnded) this.#response.emit('drain')
  }

  #refuse(error: unknown): void {
    this.#kept.length = 0
    this.#state = 'passed'
    answerError(this.#response, error)
    // What the application still writes belongs to the answer that was dropped.
    this.#state = 'refused'
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
  response.end(
    status === 503 ? 'The session could not be stored. Try again.\n' : 'The session could not be changed.\n',
  )
}

function send(
  response: ServerResponse & Gated,
  name: keyof Senders,
  values: unknown[],
  whenKept: unknown,
): unknown {
  const gate = response[gateOf]
  const method = response[wrapped]?.[name] ?? (Object.getPrototypeOf(response) as Senders)[name]
  return gate ? gate.pass(() => method.apply(response, values), whenKept) : method.apply(response, values)
}
