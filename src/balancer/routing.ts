/**
 * Chooses one of the servers that may take a request.
 *
 * @module
 */

/** How a server is chosen. `sticky` remembers the choice in a cookie; the others choose anew for each request. */
export type RoutingName = 'round-robin' | 'least-connections' | 'p2c' | 'ip-hash' | 'random' | 'sticky'

/** Every routing, in the order in which help texts list them. */
export const routingNames: readonly RoutingName[] = [
  'round-robin',
  'least-connections',
  'p2c',
  'ip-hash',
  'random',
  'sticky',
]

/** What a routing must know of a server. */
export interface Candidate {
  readonly id: string
  /** Requests in flight. */
  readonly active: number
}

/**
 * Chooses one of several servers.
 *
 * @param candidates The servers that may take the request; at least one, always in the same order.
 * @param address Network address of the client.
 */
export type Routing = <C extends Candidate>(candidates: readonly C[], address: string) => C

/**
 * Creates a routing by name.
 *
 * - `round-robin`: each in turn.
 * - `least-connections`: the one with the fewest requests in flight; in turn among equals.
 * - `p2c`: the less busy one of two chosen at random.
 * - `ip-hash`: by the client's address. When a server comes or goes, only the clients that it gains or had move.
 * - `random`: any.
 * - `sticky`: for a visitor without a valid cookie, `least-connections`.
 *
 * @param random Returns numbers in [0, 1).
 */
export function createRouting(name: RoutingName, random: () => number): Routing {
  switch (name) {
    case 'round-robin':
      return createRoundRobin()
    case 'least-connections':
    case 'sticky':
      return createLeastConnections()
    case 'p2c':
      return (candidates) => chooseTheLessBusyOfTwo(candidates, random)
    case 'ip-hash':
      return chooseByAddress
    case 'random':
      return (candidates) => at(candidates, Math.floor(random() * candidates.length))
    default:
      throw new RangeError(
        `Cannot create a routing as its name must be one of ${routingNames.join(', ')}: received ${String(name satisfies never)}`,
      )
  }
}

function createRoundRobin(): Routing {
  let turn = 0
  return (candidates) => at(candidates, turn++ % candidates.length)
}

function createLeastConnections(): Routing {
  let turn = 0
  return (candidates) => {
    const first = turn++ % candidates.length
    let chosen = at(candidates, first)
    for (let step = 1; step < candidates.length; step++) {
      const candidate = at(candidates, (first + step) % candidates.length)
      if (candidate.active < chosen.active) chosen = candidate
    }
    return chosen
  }
}

function chooseTheLessBusyOfTwo<C extends Candidate>(candidates: readonly C[], random: () => number): C {
  const { length } = candidates
  if (length === 1) return at(candidates, 0)
  const first = Math.floor(random() * length)
  // One of the others, so the two are never the same.
  const second = (first + 1 + Math.floor(random() * (length - 1))) % length
  return at(candidates, second).active < at(candidates, first).active
    ? at(candidates, second)
    : at(candidates, first)
}

/** Rendezvous hashing: each pair of client and server has a weight, and the heaviest server wins. */
function chooseByAddress<C extends Candidate>(candidates: readonly C[], address: string): C {
  let chosen = at(candidates, 0)
  let heaviest = -1
  for (const candidate of candidates) {
    const weight = hash(address, candidate.id)
    if (weight > heaviest) {
      heaviest = weight
      chosen = candidate
    }
  }
  return chosen
}

/** FNV-1a with the finalizer of MurmurHash3: FNV alone leaves addresses that differ in the last digit close together. */
function hash(address: string, id: string): number {
  let state = 0x811c9dc5
  for (let i = 0; i < address.length; i++) state = Math.imul(state ^ address.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ 0xff, 0x01000193)
  for (let i = 0; i < id.length; i++) state = Math.imul(state ^ id.charCodeAt(i), 0x01000193)
  state = Math.imul(state ^ (state >>> 16), 0x85ebca6b)
  state = Math.imul(state ^ (state >>> 13), 0xc2b2ae35)
  return (state ^ (state >>> 16)) >>> 0
}

function at<C>(candidates: readonly C[], index: number): C {
  const candidate = candidates[index]
  if (candidate === undefined) throw new RangeError('Cannot choose a server as there is no candidate')
  return candidate
}
