/**
 * One server behind the balancer: its connections, its load, and whether it may be used.
 *
 * @module
 */

import { Pool } from 'undici'
import { type Health, type HealthListener, type HealthOptions, createHealth } from './health.ts'

/** What the operator wants of a server. */
export type UpstreamMode = 'ready' | 'draining' | 'maintenance'

/** A request that a server is working on. */
export interface InFlight {
  /** Called when the server went down. A request without a response head goes elsewhere or fails now. */
  onUpstreamDown(): void
}

/** What all servers of a balancer have in common. Times are in milliseconds. */
export interface UpstreamOptions extends HealthOptions {
  readonly connectTimeout: number
  readonly responseTimeout: number
}

/** One server, as the parts of the balancer share it. */
export class Upstream {
  readonly id: string
  readonly capacity: number
  readonly health: Health
  mode: UpstreamMode = 'ready'
  healthy = false
  answered = 0
  readonly #options: UpstreamOptions
  readonly #inFlight = new Set<InFlight>()
  #url: string
  #pool: Pool
  #second = 0
  #thisSecond = 0
  #lastSecond = 0

  /** @param onHealth Hears of every change of health, after the server was marked and before its requests are told. */
  constructor(id: string, url: string, capacity: number, options: UpstreamOptions, onHealth: HealthListener) {
    this.id = id
    this.capacity = capacity
    this.#options = options
    this.#url = url
    this.#pool = createPool(url, options)
    this.health = createHealth(options, (healthy, reason) => {
      this.healthy = healthy
      onHealth(healthy, reason)
      if (!healthy) this.#abandon()
    })
  }

  /** Origin of the server. */
  get url(): string {
    return this.#url
  }

  get pool(): Pool {
    return this.#pool
  }

  /** Requests in flight: from the choice of this server to the last byte of the answer. */
  get active(): number {
    return this.#inFlight.size
  }

  /** Whether a visitor who belongs to this server may come. */
  get takesRegulars(): boolean {
    return this.healthy && this.mode !== 'maintenance'
  }

  /** Whether a visitor who belongs nowhere may come. */
  get takesNewcomers(): boolean {
    return this.healthy && this.mode === 'ready'
  }

  get full(): boolean {
    return this.#inFlight.size >= this.capacity
  }

  enter(request: InFlight): void {
    this.#inFlight.add(request)
  }

  leave(request: InFlight): void {
    this.#inFlight.delete(request)
  }

  /** Counts an answer. */
  countAnswer(now: number): void {
    this.#turnTo(now)
    this.answered++
    this.#thisSecond++
  }

  /** Answers in the last full second. */
  requestsPerSecond(now: number): number {
    this.#turnTo(now)
    return this.#lastSecond
  }

  /** Starts the health checks; resolves after the first, which decides. */
  async start(): Promise<void> {
    await this.health.start(this.#url)
  }

  /** Sends later requests to another address, once a check has succeeded there. Those in flight end where they are. */
  async moveTo(url: string): Promise<void> {
    const old = this.#pool
    this.#url = url
    this.#pool = createPool(url, this.#options)
    old.close().catch(ignore)
    await this.health.start(url)
  }

  /** Ends the checks and idle connections now, the other connections after their requests. */
  retire(): void {
    this.health.stop()
    this.#pool.close().catch(ignore)
  }

  /** Ends the checks and all connections at once; requests in flight fail. */
  async destroy(): Promise<void> {
    this.health.stop()
    await this.#pool.destroy()
  }

  #abandon(): void {
    // Each leaves the set while it is told, which a set allows; none comes back, as the server is down.
    for (const request of this.#inFlight) request.onUpstreamDown()
  }

  #turnTo(now: number): void {
    const second = Math.floor(now / 1_000)
    if (second === this.#second) return
    this.#lastSecond = second === this.#second + 1 ? this.#thisSecond : 0
    this.#thisSecond = 0
    this.#second = second
  }
}

function createPool(url: string, options: UpstreamOptions): Pool {
  return new Pool(url, {
    // The capacity bounds how many connections there are; a queue in here would hide that a server is full.
    connections: null,
    pipelining: 1,
    connect: { timeout: options.connectTimeout },
    headersTimeout: options.responseTimeout,
    // Server-sent events may be silent for as long as they like.
    bodyTimeout: 0,
  })
}

// A pool that fails to close has been destroyed meanwhile, which is what was wanted.
function ignore(): void {}
