/**
 * Where a client of an experiment sends its requests, so that it reaches the servers that the experiment is about.
 *
 * @module
 */

import type { Fleet, RoutingName } from '../protocol.ts'

/** Routings by which one client meets all servers. */
const spreading: ReadonlySet<RoutingName> = new Set(['round-robin', 'least-connections', 'p2c', 'random'])

/** Gives the address of a random ready server, past the balancer. */
export function createRandomAddress(fleet: Fleet): () => string {
  return () => {
    const ready = fleet.state().servers.filter(({ status }) => status === 'ready')
    return ready[Math.floor(Math.random() * ready.length)]?.url ?? fleet.shop
  }
}

/**
 * Gives addresses at which a session must hold, on any strategy.
 *
 * In the memory of one server: that server. With sticky routing: the balancer. In a shared store: the balancer, unless
 * its routing would spare a client the other servers; then any server.
 */
export function createSessionAddress(fleet: Fleet): () => string {
  const { servers, routing } = fleet.state()
  const [home] = servers
  if (fleet.strategy === 'memory' && home) return () => home.url
  if (fleet.strategy === 'sticky' || spreading.has(routing)) return () => fleet.shop
  return createRandomAddress(fleet)
}
