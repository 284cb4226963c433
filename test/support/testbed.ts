/**
 * Application servers and a balancer in front of them, all in this process, ended together.
 *
 * @module
 */

import {
  type Balancer,
  type BalancerOptions,
  type UpstreamSpec,
  createBalancer,
} from '../../src/balancer/balancer.ts'
import { type Application, startApplication } from './raw-http.ts'

/** A balancer that listens. */
export interface Listening {
  readonly balancer: Balancer
  readonly url: string
}

/** Starts things, and ends all of them. */
export interface Testbed {
  /** Hands a resource over to be closed at the end. */
  readonly keep: <T extends { close(): Promise<void> }>(resource: T) => T
  /** Starts application servers that answer with their id. */
  readonly startFleet: (...ids: readonly string[]) => Promise<Application[]>
  /** Starts a balancer that checks its servers every 50 ms unless told otherwise. */
  readonly startBalancer: (
    upstreams: readonly UpstreamSpec[],
    options?: BalancerOptions,
  ) => Promise<Listening>
  /** Ends everything, last started first. */
  readonly close: () => Promise<void>
}

/** Creates an empty testbed; pass its `close` to `afterEach`. */
export function createTestbed(): Testbed {
  const cleanups: (() => Promise<void>)[] = []

  function keep<T extends { close(): Promise<void> }>(resource: T): T {
    cleanups.push(() => resource.close())
    return resource
  }

  return {
    keep,
    startFleet: async (...ids) => await Promise.all(ids.map(async (id) => keep(await startApplication(id)))),
    async startBalancer(upstreams, options = {}) {
      const balancer = createBalancer(upstreams, { checkInterval: 50, ...options })
      cleanups.push(() => balancer.close({ grace: 0 }))
      return { balancer, url: (await balancer.listen({ port: 0 })).url }
    },
    async close() {
      for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
    },
  }
}

/** What a visitor sees of the balancer. */
export interface Visit {
  readonly server: string
  readonly routedBy: string
  /** The affinity cookie that was set, without its attributes; empty without one. */
  readonly cookie: string
}

/** Requests a page. */
export async function visit(url: string, cookie?: string): Promise<Visit> {
  const response = await fetch(url, cookie === undefined ? {} : { headers: { cookie } })
  await response.arrayBuffer()
  return {
    server: response.headers.get('x-served-by') ?? '',
    routedBy: response.headers.get('x-routed-by') ?? '',
    cookie: affinityOf(response),
  }
}

/** The affinity cookie that an answer set, without its attributes; empty without one. */
export function affinityOf(response: Response): string {
  const cookie = response.headers.getSetCookie().find((cookie) => cookie.startsWith('affinity='))
  return cookie?.split(';')[0] ?? ''
}

/** Values in alphabetical order. */
export function sorted<T>(values: readonly T[]): T[] {
  return [...values].sort((a, b) => String(a).localeCompare(String(b)))
}
