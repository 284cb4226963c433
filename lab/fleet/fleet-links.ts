/**
 * The links of all servers to the engines of the present strategy.
 *
 * @module
 */

import { LabError, unknownName } from './lab-error.ts'
import { type LinkedAddresses, type Links, openLinks } from './links.ts'
import type { LinkAction, LinkFault, LinkState } from './protocol.ts'
import type { Strategy } from './strategy.ts'

/** The links of all servers; none at first. */
export interface FleetLinks {
  /** What a server is told; without engines, that there are none. */
  addressesOf(id: string): LinkedAddresses
  /** `undefined`: the server reaches its sessions over no network. */
  stateOf(id: string): LinkState | undefined
  /** Opens the links that a strategy needs. They stay when servers and engines go and come again. */
  open(strategy: Strategy, addresses: Omit<LinkedAddresses, 'feedAddresses'>): Promise<void>
  /**
   * Does something to the links of a server.
   *
   * @returns How they are now.
   * @throws {LabError} when there is no such server, or nothing to cut.
   */
  act(id: string, action: LinkAction, fault?: LinkFault): LinkState
  close(): Promise<void>
}

const NOWHERE: LinkedAddresses = { engines: [], addresses: {}, feedAddresses: {} }

/** Holds the links of one strategy after the other. */
export function createFleetLinks(ids: readonly string[]): FleetLinks {
  let links: ReadonlyMap<string, Links> = new Map()
  let strategyName = ''

  return {
    addressesOf(id) {
      const { engines, addresses, feedAddresses } = links.get(id) ?? NOWHERE
      return { engines, addresses, feedAddresses }
    },
    stateOf: (id) => links.get(id)?.state,
    async open({ name, hasFeed = false }, { engines, addresses }) {
      strategyName = name
      if (engines.length === 0) return
      const opened = ids.map(async (id) => [id, await openLinks(engines, addresses, hasFeed)] as const)
      links = new Map(await Promise.all(opened))
    },
    act(id, action, fault) {
      if (!ids.includes(id)) throw unknownName('server', id, ids)
      const own = links.get(id)
      if (!own) {
        throw new LabError(
          'ERR_CONFLICT',
          `There is no network to ${action} as the servers need none for the sessions of ${strategyName}`,
        )
      }
      own.act(action, fault)
      return own.state
    },
    async close() {
      const closing = [...links.values()]
      links = new Map()
      await Promise.all(closing.map((own) => own.close()))
    },
  }
}
