/**
 * Finds the server for a request: by the affinity cookie where that counts, by the routing otherwise.
 *
 * @module
 */

import { type RoutingName, createRouting } from './routing.ts'
import type { Upstream } from './upstream.ts'

/**
 * Why a request went where it went, as `X-Routed-By` says it.
 *
 * - `cookie`: its affinity cookie named the server.
 * - `new`: sticky, and it had no valid affinity cookie.
 * - `redispatch`: its own server was down, full or under maintenance, or a first server failed before it answered.
 * - A routing's name: that routing chose.
 * - `full`, `down`: no server was chosen, as all were full, or none was up and ready.
 * - `refused`: the balancer refused the request itself.
 */
export type RoutedBy =
  | 'cookie'
  | 'new'
  | 'redispatch'
  | Exclude<RoutingName, 'sticky'>
  | 'full'
  | 'down'
  | 'refused'

/** A server, and why it was chosen. */
export interface Placement {
  readonly upstream: Upstream
  readonly routedBy: RoutedBy
  /** Server that a redispatch left. */
  readonly from: string | undefined
}

/** Chooses servers. */
export interface Placer {
  /** Routing in use. Setting it takes effect with the next request. */
  routing: RoutingName
  /**
   * Finds the server for a request.
   *
   * @param affinityId Server that a valid affinity cookie names.
   * @param address Network address of the client.
   * @param failed Server that has just failed this request.
   * @returns `full` or `down` when there is none.
   */
  place(affinityId: string | undefined, address: string, failed?: Upstream): Placement | 'full' | 'down'
}

/**
 * Creates a placer.
 *
 * @param upstreams The servers, by id; read at each placement.
 * @param random Returns numbers in [0, 1).
 */
export function createPlacer(
  upstreams: ReadonlyMap<string, Upstream>,
  name: RoutingName,
  random: () => number,
): Placer {
  let routing = createRouting(name, random)

  return {
    get routing() {
      return name
    },
    set routing(next) {
      routing = createRouting(next, random)
      name = next
    },
    place(affinityId, address, failed) {
      const sticky = name === 'sticky'
      const own = sticky && affinityId !== undefined ? upstreams.get(affinityId) : undefined
      if (own && own !== failed && own.takesRegulars && !own.full) {
        return { upstream: own, routedBy: 'cookie', from: undefined }
      }

      const candidates: Upstream[] = []
      let full = false
      for (const upstream of upstreams.values()) {
        if (upstream === failed || !upstream.takesNewcomers) continue
        if (upstream.full) full = true
        else candidates.push(upstream)
      }
      if (candidates.length === 0) return full ? 'full' : 'down'

      const upstream = routing(candidates, address)
      const left = failed ?? own
      if (left) return { upstream, routedBy: 'redispatch', from: left.id }
      return { upstream, routedBy: name === 'sticky' ? 'new' : name, from: undefined }
    },
  }
}
