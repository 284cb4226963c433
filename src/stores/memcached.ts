/**
 * Sessions in memcached: fast, bounded, and gone when the server that has them ends.
 *
 * @module
 */

import { createEpochs } from './memcached/epochs.ts'
import { createNodeClock } from './memcached/clock.ts'
import { examine } from './memcached/check.ts'
import { openNodes } from './memcached/client.ts'
import { createLookout } from './memcached/look.ts'
import { createOperations } from './memcached/operations.ts'
import { createPlacement } from './memcached/placement.ts'
import { createRevocation } from './memcached/revoke.ts'
import { examineNodes } from './memcached/stats.ts'
import type { Reply } from './memcached/replies.ts'
import type { RevokingSessionStore } from './store.ts'

/** Where a server listens. */
export interface MemcachedAddress {
  readonly host: string
  /** @default 11_211 */
  readonly port?: number
}

/** Options of {@link createMemcachedClient}. */
export interface MemcachedClientOptions {
  /**
   * Longest wait for an answer, in milliseconds. A server that is silent for as long is taken for away and connected to
   * anew. Keep it below the deadline that the engine gives its store.
   *
   * @default 300
   */
  readonly commandTimeout?: number
  /**
   * Longest wait for a connection and for the first answer over it, in milliseconds.
   *
   * @default 500
   */
  readonly connectTimeout?: number
  /**
   * Longest pause between two attempts to connect, in milliseconds. The first comes after some 50, then they get
   * rarer; a random part keeps the servers of a fleet from coming all at once.
   *
   * @default 1_000
   */
  readonly maxReconnectDelay?: number
  /**
   * Most commands under way at each server; more are refused at once.
   *
   * @default 10_000
   */
  readonly maxPending?: number
  /**
   * Most bytes that wait to be sent to each server; more are refused at once.
   *
   * @default 33_554_432 (32 MiB)
   */
  readonly maxBuffered?: number
  /**
   * Credentials for servers that were started with a file of them (`-Y`). They are sent as they are: memcached
   * belongs on a network of its own.
   *
   * @default none
   */
  readonly credentials?: { readonly username: string; readonly password: string }
  /**
   * Random numbers in [0, 1).
   *
   * @default Math.random
   */
  readonly random?: () => number
}

/** A server that a store sends commands to. */
export interface MemcachedNode {
  /** `host:port`, which also decides on the keys that belong here. */
  readonly name: string
  /** Whether a command would be sent now. */
  readonly reachable: boolean
  /** What the server said of itself when the connection was made: `stats` and `stats settings`. */
  readonly facts: ReadonlyMap<string, string>
  /**
   * Sends a meta command, without its line break.
   *
   * @throws {StoreUnavailableError} when there is no answer, or none that says what became of the command.
   */
  meta(command: string, value?: Buffer): Promise<Reply>
  /** Asks for `stats`. */
  stats(): Promise<ReadonlyMap<string, string>>
}

/** A client. */
export interface MemcachedClient {
  /** The servers, in the order of the list. */
  readonly nodes: readonly MemcachedNode[]
  /** Closes all connections. What is under way is rejected. */
  close(): void
}

/** The part of a client that the store uses: `createMemcachedClient` makes one. */
export interface MemcachedNodes {
  /** The servers, in any order. Their names decide on which of them a session is. */
  readonly nodes: readonly MemcachedNode[]
}

/** Options of {@link createMemcachedStore}. */
export interface MemcachedStoreOptions {
  /**
   * Prefix of the store's keys: up to 100 visible ASCII characters.
   *
   * @default 'coatcheck:'
   */
  readonly prefix?: string
  /**
   * Sessions of which this process remembers whose they are, so that reading one takes one round trip instead of two:
   * an integer from 0 to 1,000,000. One takes up some 400 bytes.
   *
   * @default 10_000
   */
  readonly maxKnown?: number
  /**
   * Local clock, in milliseconds since the Unix epoch. It is corrected where the servers contradict it by more than
   * the two seconds to which they tell theirs.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

/** What a server tells of itself. Counts are since it started, and zero while it cannot be reached. */
export interface MemcachedNodeStats {
  /** `host:port`. */
  readonly name: string
  /** Whether it answered. */
  readonly reachable: boolean
  /** Its version; `undefined` while it cannot be reached. */
  readonly version: string | undefined
  /** Items now: sessions, and one for each user who has logged in. Expired ones count until they are found. */
  readonly items: number
  /** Bytes of these items. */
  readonly bytes: number
  /** Bytes that items may take up. */
  readonly maxBytes: number
  /** Items that were dropped to make room, before their time. Each ended a session, or all of a user's on this server. */
  readonly evictions: number
}

/** What {@link createMemcachedStore} makes. */
export interface MemcachedStore extends RevokingSessionStore {
  readonly now: () => Promise<number>
  /**
   * Asks each server how full it is, in the order of the list. It never rejects.
   *
   * memcached does not tell whom it drops to make room; a growing number of evictions is all there is to see.
   */
  stats(): Promise<readonly MemcachedNodeStats[]>
}

/**
 * Creates a client and connects to every server.
 *
 * Commands wait for the first attempt to connect. From then on they are refused at once while their server is away.
 * Open connections keep the process alive until {@link MemcachedClient.close}.
 *
 * @param servers `'host:port'`, `'host'`, `'[::1]:11211'`, or address objects. Every server of an application must be
 * given the same list, in any order, spelled alike: the names decide on which server a session is.
 * @throws {RangeError} when the list or an option is out of range.
 */
export function createMemcachedClient(
  servers: readonly (string | MemcachedAddress)[],
  options: MemcachedClientOptions = {},
): MemcachedClient {
  const nodes = openNodes(servers, options)
  return {
    nodes,
    close() {
      for (const node of nodes) node.close()
    },
  }
}

/**
 * Creates a store on memcached 1.6.12 or newer.
 *
 * What memcached is decides what it can promise. A session is on one server of the list: when that server restarts, its
 * sessions are gone, and while it is away they answer {@link StoreUnavailableError}; they never move to another, where
 * they could come back from after a logout. When its memory is full, memcached ends the sessions used least. Sessions
 * of a user cannot be listed, but ended all at once.
 *
 * The store neither opens nor closes the client.
 *
 * @throws {RangeError} when an option is out of range.
 * @example
 * ```ts
 * const client = createMemcachedClient(['10.0.0.1:11211', '10.0.0.2:11211'])
 * for (const warning of await checkMemcachedStore(client)) console.warn(warning)
 * const sessions = createSessions(createMemcachedStore(client))
 * ```
 */
export function createMemcachedStore(
  client: MemcachedNodes,
  options: MemcachedStoreOptions = {},
): MemcachedStore {
  const { prefix = 'coatcheck:', maxKnown = 10_000, now = Date.now } = options
  if (!/^[!-~]{0,100}$/.test(prefix)) {
    throw new RangeError(
      'Cannot create a memcached store as prefix must be up to 100 visible ASCII characters',
    )
  }
  if (!Number.isInteger(maxKnown) || maxKnown < 0 || maxKnown > 1_000_000) {
    throw new RangeError(
      `Cannot create a memcached store as maxKnown must be an integer from 0 to 1000000: received ${maxKnown}`,
    )
  }
  const { nodes } = client
  const clock = createNodeClock(nodes, now)
  const epochs = createEpochs(prefix, clock.now)
  const placement = createPlacement(nodes.map(({ name }) => name))
  const lookout = createLookout({ nodes, prefix, placement, epochs, maxKnown, now: clock.now })

  return {
    name: 'memcached',
    ...createOperations(lookout, epochs, clock.now),
    revokeAll: createRevocation(nodes, lookout, epochs, clock.now),
    now: () => clock.sync(),
    stats: () => examineNodes(nodes),
  }
}

/**
 * Checks at start-up whether the servers can keep sessions, with an item of its own on each.
 *
 * @returns What an operator should know, a sentence each; an empty array when there is nothing.
 * @throws {StoreUnavailableError} when one cannot: it is away, too old, or wants other credentials. The message says what
 * to do.
 */
export async function checkMemcachedStore(client: MemcachedNodes): Promise<readonly string[]> {
  return examine(client.nodes)
}
