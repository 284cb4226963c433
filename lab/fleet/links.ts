/**
 * The network between one server and the back-end servers, which can be cut, slowed down and healed.
 *
 * @module
 */

import { createCutter, type CutDirection, type Cutter } from '../engines/cutter.ts'
import type { LinkAction, LinkFault, LinkState } from './protocol.ts'
import type { EngineAddress, EngineAddresses, HostAndPort } from './strategy.ts'

/** What a server is told of the back-end servers: addresses of links that lead to them. Goes as JSON. */
export interface LinkedAddresses {
  readonly engines: readonly EngineAddress[]
  readonly addresses: EngineAddresses
  /** The same servers over links of their own, for the connection on which changes are told. */
  readonly feedAddresses: EngineAddresses
}

/** The links of one server. */
export interface Links extends LinkedAddresses {
  readonly state: LinkState
  act(action: LinkAction, fault?: LinkFault): void
  /** Breaks all connections. */
  close(): Promise<void>
}

/** Part of the network that a fault is about. */
type Channel = 'store' | 'feed'

interface Link {
  readonly channel: Channel
  readonly cutter: Cutter
  state: LinkState
}

/** Where a link leads to, by what it stands for. */
type Ports = ReadonlyMap<number, number>

const HOST = '127.0.0.1'
const SLOW = 500

/**
 * Opens a link to each engine, and a second one where changes are told on a connection of their own.
 *
 * @param hasFeed Whether they are.
 */
export async function openLinks(
  engines: readonly EngineAddress[],
  addresses: EngineAddresses,
  hasFeed: boolean,
): Promise<Links> {
  const links: Link[] = []

  async function lead(channel: Channel): Promise<Ports> {
    const ports = new Map<number, number>()
    for (const { port } of engines) {
      const cutter = await createCutter({ host: HOST, port })
      links.push({ channel, cutter, state: 'whole' })
      ports.set(port, cutter.port)
    }
    return ports
  }

  const storePorts = await lead('store')
  const feedPorts = hasFeed ? await lead('feed') : storePorts

  return {
    engines: engines.map(({ name, port }) => ({ name, port: follow(storePorts, port) })),
    addresses: readdress(addresses, storePorts),
    feedAddresses: readdress(addresses, feedPorts),
    get state() {
      const states = links.map(({ state }) => state)
      return states.find((state) => state === 'cut') ?? states.find((state) => state === 'slow') ?? 'whole'
    },
    act(action, { channel = 'all', ...fault } = {}) {
      for (const link of links) if (channel === 'all' || channel === link.channel) apply(link, action, fault)
    },
    async close() {
      await Promise.all(links.map(({ cutter }) => cutter.close()))
    },
  }
}

function apply(link: Link, action: LinkAction, fault: Omit<LinkFault, 'channel'>): void {
  const { direction = 'both', sever = false, milliseconds = SLOW } = fault
  const { cutter } = link
  if (action === 'cut') {
    cutter.cut(directions[direction])
    if (sever) cutter.sever()
    link.state = 'cut'
  } else if (action === 'slow') {
    // It is on the way there and on the way back.
    cutter.delay(milliseconds / 2)
    if (link.state === 'whole') link.state = 'slow'
  } else {
    cutter.heal()
    link.state = 'whole'
  }
}

const directions: Readonly<Record<NonNullable<LinkFault['direction']>, CutDirection>> = {
  both: 'both',
  'to-store': 'to-server',
  'from-store': 'from-server',
}

/** Puts the links in the place of the engines. */
function readdress(addresses: EngineAddresses, ports: Ports): EngineAddresses {
  const { url, standbyUrl, servers, sentinels, nodes } = addresses
  return {
    ...addresses,
    ...(url !== undefined && { url: readdressUrl(url, ports) }),
    ...(standbyUrl !== undefined && { standbyUrl: readdressUrl(standbyUrl, ports) }),
    ...(servers && { servers: servers.map((server) => readdressUrl(server, ports)) }),
    ...(sentinels && { sentinels: sentinels.map((node) => readdressNode(node, ports)) }),
    ...(nodes && { nodes: nodes.map((node) => readdressNode(node, ports)) }),
    ...((sentinels ?? nodes) && {
      nodeAddressMap: Object.fromEntries(
        [...ports].map(([port, link]) => [`${HOST}:${port}`, { host: HOST, port: link }]),
      ),
    }),
  }
}

function readdressUrl(url: string, ports: Ports): string {
  return url.replace(/(?<=@|\/\/)([\w.]+):(\d+)(?=\/|$)/, (_, host: string, port: string) => {
    return `${host}:${follow(ports, Number(port))}`
  })
}

function readdressNode({ host, port }: HostAndPort, ports: Ports): HostAndPort {
  return { host, port: follow(ports, port) }
}

function follow(ports: Ports, port: number): number {
  const link = ports.get(port)
  if (link === undefined) throw new Error(`Cannot lead a link to port ${port} as no engine listens there`)
  return link
}
