/**
 * A load balancer for HTTP/1.1 in one process: for development, the lab, and small installations.
 *
 * It chooses a server for each request, keeps visitors with their server by a signed cookie where that is wanted, takes
 * servers out that are down and brings them back. The bytes go through undici, an optional peer dependency.
 *
 * @module
 */

import { type Affinity, createAffinity } from './affinity.ts'
import { createEvents } from './events.ts'
import { type ListenOptions, createFront } from './front.ts'
import { checkRouting, readOptions, readUpstream, readUrl } from './options.ts'
import { createPlacer } from './placement.ts'
import { type BalancerEntry, createReception } from './reception.ts'
import type { RoutingName } from './routing.ts'
import { Upstream } from './upstream.ts'

/** A server to put behind the balancer. */
export interface UpstreamSpec {
  /** Name of the server: letters, digits, `-` and `_`. It is public: `X-Served-By` and the affinity cookie say it. */
  readonly id: string
  /** Origin of the server: `http://127.0.0.1:3001`. */
  readonly url: string
  /**
   * Requests that the server may have in flight, WebSockets included. Beyond it the next server is chosen.
   *
   * A request is in flight from the choice of the server until the last byte of the answer has left or the client has.
   *
   * @default 1000
   */
  readonly capacity?: number
}

/** Options of {@link createBalancer}. Times are in milliseconds. */
export interface BalancerOptions {
  /** @default 'round-robin' */
  readonly routing?: RoutingName
  /**
   * Keys for the affinity cookie, of at least 32 bytes, newest first: the first signs, all verify. Needed for `sticky`.
   * Balancers with the same keys agree about where a visitor belongs.
   */
  readonly secrets?: readonly (string | Uint8Array)[]
  /** Name of the affinity cookie. @default '__Host-affinity', or 'affinity' with `allowInsecureCookie` */
  readonly affinityCookie?: string
  /** Lets the affinity cookie travel over plain http, for development. @default false */
  readonly allowInsecureCookie?: boolean
  /** What `X-Forwarded-Proto` says: `https` behind something that ends TLS. @default 'http' */
  readonly protocol?: 'http' | 'https'
  /** Path that checks ask for. Every status below 500 is a success. @default '/healthz' */
  readonly checkPath?: string
  /** Time from the start of one check to the start of the next. @default 500 */
  readonly checkInterval?: number
  /** Time that the answer to a check may take. @default 1000 */
  readonly checkTimeout?: number
  /** Failures in a row that take a server out. @default 2 */
  readonly fall?: number
  /** Successful checks in a row that take it back in. @default 2 */
  readonly rise?: number
  /** Time that connecting to a server may take. @default 2000 */
  readonly connectTimeout?: number
  /**
   * Time that a server may take from a whole request to the head of its answer; then the client gets 504.
   *
   * A server that is stuck as a whole fails its checks much sooner, so this only ends single requests that hang.
   *
   * @default 30000
   */
  readonly responseTimeout?: number
  /** Time that a client may take to send the head of a request; then it gets 408. @default 10000 */
  readonly headersTimeout?: number
  /** Returns numbers in [0, 1). @default Math.random */
  readonly random?: () => number
  /** Clock, in milliseconds since the Unix epoch. @default Date.now */
  readonly now?: () => number
}

/** One server, as it is at the moment. */
export interface UpstreamState {
  readonly id: string
  readonly url: string
  /**
   * `ready`: takes everybody. `draining`: only visitors whose affinity cookie names it. `maintenance`: nobody.
   * `down`: its checks fail, whatever the operator wants of it.
   */
  readonly state: 'ready' | 'draining' | 'maintenance' | 'down'
  /** Whether its checks succeed. */
  readonly healthy: boolean
  readonly capacity: number
  /** Requests in flight. */
  readonly active: number
  /** Requests answered since it was added. */
  readonly answered: number
  /** Requests answered in the last full second. */
  readonly requestsPerSecond: number
}

/** Events of a balancer. */
export interface BalancerEvents {
  /** A request has ended. Requests whose head could not be read have no entry. */
  readonly request: BalancerEntry
  /** A server was taken in. */
  readonly up: { readonly at: number; readonly id: string; readonly reason: string }
  /** A server was taken out. */
  readonly down: { readonly at: number; readonly id: string; readonly reason: string }
  /** A request went to another server than its cookie or the first choice said. */
  readonly redispatch: { readonly at: number; readonly from: string; readonly to: string }
}

/** A running balancer. Methods that name an unknown server throw a `RangeError`. */
export interface Balancer {
  /** Routing in use. */
  readonly routing: RoutingName
  /**
   * Checks all servers once, then listens.
   *
   * Rejects with Node's error (`EADDRINUSE`, `EACCES`, …) when the port cannot be had.
   */
  listen(options: ListenOptions): Promise<{ readonly url: string }>
  /** The servers, in the order in which they were added. */
  upstreams(): readonly UpstreamState[]
  /** Adds a server; resolves after its first check, which decides whether it is up. */
  add(upstream: UpstreamSpec): Promise<void>
  /** Takes a server away. Requests in flight end where they are; its visitors become new visitors. */
  remove(id: string): void
  /** Tells that a server has a new address; resolves after the first check there, which decides whether it is up. */
  setUrl(id: string, url: string): Promise<void>
  /** Sends no new visitors to a server. Those whose affinity cookie names it stay. */
  drain(id: string): void
  /** Ends draining or maintenance. */
  ready(id: string): void
  /** Sends nobody to a server. Requests in flight end where they are. */
  maintenance(id: string): void
  /** Changes the routing from the next request on. */
  setRouting(name: RoutingName): void
  /** Calls the listener with every event of that name; returns the function that ends it. */
  on<Name extends keyof BalancerEvents>(
    name: Name,
    listener: (event: BalancerEvents[Name]) => void,
  ): () => void
  /** Takes no more connections, waits at most `grace` milliseconds (default 5000) for requests in flight, ends the rest. */
  close(options?: { readonly grace?: number }): Promise<void>
}

/**
 * Creates a balancer. It asks and listens to nothing before `listen`.
 *
 * @example
 * const balancer = createBalancer(
 *   [{ id: 'A', url: 'http://127.0.0.1:3001' }, { id: 'B', url: 'http://127.0.0.1:3002' }],
 *   { routing: 'sticky', secrets: [process.env.AFFINITY_SECRET], allowInsecureCookie: true },
 * )
 * const { url } = await balancer.listen({ port: 8080 })
 *
 * @throws {TypeError} When an option is of the wrong kind, or two servers have the same id.
 * @throws {RangeError} When a number is out of range.
 */
export function createBalancer(specs: readonly UpstreamSpec[], options: BalancerOptions = {}): Balancer {
  const settings = readOptions(options)
  const { secrets, affinityCookie: name, allowInsecureCookie, protocol, now } = settings
  const affinity: Affinity | undefined =
    secrets.length > 0 ? createAffinity({ name, secrets, secure: !allowInsecureCookie }) : undefined
  const events = createEvents<BalancerEvents>()
  const upstreams = new Map<string, Upstream>()
  const placer = createPlacer(upstreams, settings.routing, settings.random)
  const receive = createReception({
    placer,
    affinity,
    protocol,
    now,
    traced: () => events.has('request'),
    onEntry: (entry) => events.emit('request', entry),
    onRedispatch: (from, to) => events.emit('redispatch', { at: now(), from, to }),
  })
  const front = createFront(settings, receive)
  let running = false
  specs.forEach(put)

  function put(spec: UpstreamSpec): Upstream {
    const { id } = spec
    const { url, capacity } = readUpstream(spec)
    if (upstreams.has(id))
      throw new TypeError(`Cannot add an upstream as there is one with its id: received ${id}`)
    const upstream = new Upstream(id, url, capacity, settings, (healthy, reason) => {
      events.emit(healthy ? 'up' : 'down', { at: now(), id, reason })
    })
    upstreams.set(id, upstream)
    return upstream
  }

  function get(id: string): Upstream {
    const upstream = upstreams.get(id)
    if (!upstream) throw new RangeError(`Cannot find an upstream with this id: received ${id}`)
    return upstream
  }

  return {
    get routing() {
      return placer.routing
    },
    async listen(where) {
      running = true
      await Promise.all([...upstreams.values()].map((upstream) => upstream.start()))
      try {
        return { url: await front.listen(where) }
      } catch (error) {
        running = false
        await Promise.all([...upstreams.values()].map((upstream) => upstream.destroy()))
        throw error
      }
    },
    upstreams() {
      const time = now()
      return [...upstreams.values()].map((upstream) => describe(upstream, time))
    },
    async add(spec) {
      const upstream = put(spec)
      if (running) await upstream.start()
    },
    remove(id) {
      get(id).retire()
      upstreams.delete(id)
    },
    async setUrl(id, url) {
      await get(id).moveTo(readUrl(id, url))
    },
    drain(id) {
      get(id).mode = 'draining'
    },
    ready(id) {
      get(id).mode = 'ready'
    },
    maintenance(id) {
      get(id).mode = 'maintenance'
    },
    setRouting(next) {
      checkRouting(next, secrets)
      placer.routing = next
    },
    on: (event, listener) => events.on(event, listener),
    async close({ grace = 5_000 } = {}) {
      running = false
      await front.close(grace)
      await Promise.all([...upstreams.values()].map((upstream) => upstream.destroy()))
    },
  }
}

function describe(upstream: Upstream, now: number): UpstreamState {
  const { id, url, mode, healthy, capacity, active, answered } = upstream
  const requestsPerSecond = upstream.requestsPerSecond(now)
  return { id, url, state: healthy ? mode : 'down', healthy, capacity, active, answered, requestsPerSecond }
}
