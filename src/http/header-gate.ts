/**
 * Holds an answer back until what it claims has been stored.
 *
 * @module
 */

import { ServerResponse } from 'node:http'
import { exchangeOf } from '../session/exchange.ts'

type Hook = () => Promise<void> | undefined
type Sender = (this: ServerResponse, ...values: unknown[]) => unknown
/** The methods that make Node send the headers. */
type Senders = Record<'writeHead' | 'flushHeaders' | 'write' | 'end', Sender>

/** An exchange whose answer can be held back. */
export interface Gated {
  readonly gate: HeaderGate | undefined
  /** Whether headers have left while there was no gate, or are about to. */
  isSent: boolean
}

/** Serves all responses that have Node's own prototype, so that preparing one allocates nothing. */
const nodeSenders = wrapSenders(ServerResponse.prototype as unknown as Senders)
/** Prototypes of frameworks, and responses that were wrapped before us. */
const prepared = new WeakSet<object>()
/** Prototypes of frameworks with all that is between them and Node's, so that each request is spared the way up. */
const preparedChains = new WeakSet<object>()

/**
 * Makes it possible to hold this answer back later. Until a hook is added, everything works as before.
 *
 * It happens before the application sees the response: in `response.end(await page())` the method is looked up before
 * the page asks for its session.
 *
 * A framework that gives its responses a prototype of their own is prepared once; Node's own prototype belongs to everybody, so
 * its responses are prepared one by one.
 */
export function prepareGate(response: ServerResponse): void {
  const target = response as unknown as Senders
  const prototype = Object.getPrototypeOf(response) as object | null
  const isNodes = prototype === ServerResponse.prototype
  if (!isNodes) prepareFramework(prototype)
  if (!Object.hasOwn(response, 'end')) {
    if (isNodes) assign(target, nodeSenders)
  } else if (target.end !== nodeSenders.end) prepare(target)
}

/**
 * Prepares what a framework has put between its responses and Node's prototype.
 *
 * Express has a prototype for each application, and one that is common to all: when an application within another leaves the answer
 * to that, the response goes back to the other's.
 */
function prepareFramework(first: object | null): void {
  if (first !== null && preparedChains.has(first)) return
  let prototype = first
  while (prototype !== null && prototype !== ServerResponse.prototype) {
    const next = Object.getPrototypeOf(prototype) as object | null
    if (next === ServerResponse.prototype || Object.hasOwn(prototype, 'end')) prepare(prototype as Senders)
    prototype = next
  }
  if (first !== null) preparedChains.add(first)
}

function prepare(target: Senders): void {
  if (prepared.has(target)) return
  prepared.add(target)
  const { writeHead, flushHeaders, write, end } = target
  assign(target, wrapSenders({ writeHead, flushHeaders, write, end }))
}

/** Named one by one: V8 makes a slow dictionary of an object that gets so many properties by computed names. */
function assign(target: Senders, { writeHead, flushHeaders, write, end }: Senders): void {
  target.writeHead = writeHead
  target.flushHeaders = flushHeaders
  target.write = write
  target.end = end
}

/** @param senders Where the methods are looked up whenever they are called: others may replace those of Node. */
function wrapSenders(senders: Senders): Senders {
  return {
    writeHead(...values) {
      return passGate(this, senders.writeHead, values, this, 'head')
    },
    flushHeaders(...values) {
      return passGate(this, senders.flushHeaders, values, undefined)
    },
    write(...values) {
      return passGate(this, senders.write, values, missesDrain(this))
    },
    end(...values) {
      return passGate(this, senders.end, values, this)
    },
  }
}

/**
 * Whether who waits for `drain` would wait for ever: a middleware such as `compression` keeps such listeners for a stream of
 * its own, which has not been written to yet.
 */
function missesDrain(response: ServerResponse): boolean {
  return Object.hasOwn(response, 'on')
}

/** The answer that is being sent without a gate: Node calls `writeHead` within `end`, and need not look for a gate again. */
let passing: ServerResponse | undefined

function passGate(
  response: ServerResponse,
  send: Sender,
  values: unknown[],
  whenKept: unknown,
  what?: 'head',
): unknown {
  if (response === passing) return send.apply(response, values)
  const { req } = response as Partial<ServerResponse>
  const exchange = req && (exchangeOf(req) as Partial<Gated> | undefined)
  if (exchange?.gate) return exchange.gate.pass(send, values, whenKept, what)
  const outer = passing
  passing = response
  // Whoever is called on the way, such as a listener of `on-headers`, comes too late to hold it back.
  if (exchange?.isSent === false) exchange.isSent = true
  try {
    return send.apply(response, values)
  } catch (error) {
    if (exchange?.isSent) exchange.isSent = response.headersSent
    throw error
  } finally {
    passing = outer
  }
}

/** A response whose headers wait for hooks. */
export class HeaderGate {
  readonly #response: ServerResponse
  readonly #hooks: Hook[] = []
  readonly #kept: { readonly send: Sender; readonly values: unknown[] }[] = []
  #state: 'open' | 'waiting' | 'passed' | 'refused' = 'open'

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
   *
   * @param what Whether it sets the headers. Behind another such call that does nothing: who looks whether headers were set
   * already, as `compression` does at each write, cannot see those that are kept.
   */
  pass(send: Sender, values: unknown[], whenKept: unknown, what?: 'head'): unknown {
    if (this.#state === 'open') this.#runHooks()
    if (this.#state === 'passed') return send.apply(this.#response, values)
    if (this.#state === 'waiting' && (what !== 'head' || this.#kept.length === 0)) {
      this.#kept.push({ send, values })
    }
    return whenKept
  }

  #runHooks(): void {
    // Shut from here on: a change made while the hooks run comes too late for them.
    this.#state = 'waiting'
    try {
      let pending: Promise<unknown> | undefined
      for (const hook of this.#hooks) {
        const wait = hook()
        // There is one hook as a rule, and each promise costs the request.
        if (wait) pending = pending ? Promise.all([pending, wait]) : wait
      }
      if (pending)
        pending.then(
          () => this.#release(),
          (error: unknown) => this.#refuse(error),
        )
      else this.#state = 'passed'
    } catch (error) {
      this.#refuse(error)
    }
  }

  #release(): void {
    this.#state = 'passed'
    try {
      for (const { send, values } of this.#kept.splice(0)) send.apply(this.#response, values)
    } catch (error) {
      // Whoever made the call has gone on. The client must see that this is no whole answer.
      this.#response.destroy(error as Error)
      return
    }
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

/** Headers of the answer that was to be; others, such as those for security, hold for any answer. */
const ABOUT_CONTENT =
  /^(accept-ranges|age|cache-control|content-(?!security-policy)[a-z-]+|etag|expires|last-modified|link|location|refresh|set-cookie|trailer|transfer-encoding)$/

/**
 * Answers an error by its `status` and `headers`, as Express does; without a status it is a 500.
 *
 * By Node's own methods: a middleware that changes answers, such as `compression`, may have begun with the one that is dropped.
 */
export function answerError(response: ServerResponse, error: unknown): void {
  const { status = 500, headers = {} } = error as { status?: number; headers?: Record<string, string> }
  const methods = response instanceof ServerResponse ? ServerResponse.prototype : response
  for (const name of response.getHeaderNames()) if (ABOUT_CONTENT.test(name)) response.removeHeader(name)
  methods.writeHead.call(response, status, {
    ...headers,
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    'X-Content-Type-Options': 'nosniff',
  })
  const text =
    status === 503 ? 'The session could not be stored. Try again.\n' : 'The session could not be changed.\n'
  methods.end.call(response, text, 'utf8')
}
