/**
 * Looks at what is under a key, and tells whether it counts: not expired, and not of an epoch that has ended.
 *
 * @module
 */

import { StoreUnavailableError, type StoredSession } from '../store.ts'
import { type Epoch, type Epochs, isWithin } from './epochs.ts'
import { epochId, type Item, readItem, sessionItem } from './items.ts'
import type { MemcachedNode } from '../memcached.ts'
import { decodeValue, type Guard, type Value } from './values.ts'

/** Where a key is. */
export interface Place {
  readonly node: MemcachedNode
  /** Name of the session's item. */
  readonly name: string
}

/** What is under a key. */
export type Found =
  | { readonly kind: 'nothing' }
  /** A record that another caller is deleting. */
  | { readonly kind: 'ending'; readonly cas: string }
  /** Something that is no record. */
  | { readonly kind: 'corrupt'; readonly cas: string }
  /** A record that has expired or was revoked. */
  | { readonly kind: 'dead'; readonly cas: string; readonly session: StoredSession }
  | {
      readonly kind: 'live'
      readonly cas: string
      readonly session: StoredSession
      readonly guards: readonly Guard[]
      /** The user's epoch. */
      readonly epoch: Epoch | undefined
    }

/** What is known of a record as long as it has this token, without asking for it again. */
export interface Known {
  readonly cas: string
  readonly version: number
  readonly expiresAt: number
  readonly owner: string | undefined
  readonly guards: readonly Guard[]
}

/** Looks at keys, and remembers a bounded number of them. */
export interface Lookout {
  readonly place: (key: string) => Place
  readonly look: (key: string) => Promise<Found>
  /** As {@link Lookout.look}, for the one who deletes: what is being deleted is shown as it is. */
  readonly inspect: (key: string) => Promise<Found>
  known(key: string): Known | undefined
  remember(key: string, known: Known): void
  forget(key: string): void
}

/** Parts that a lookout needs. */
export interface LookoutParts {
  readonly nodes: readonly MemcachedNode[]
  readonly prefix: string
  readonly placement: (key: string) => number
  readonly epochs: Epochs
  readonly now: () => number
  readonly maxKnown: number
}

/** Looks at a key before giving up, while others keep beginning epochs that it lives on in. */
const MAX_LOOKS = 20

/** Id of the epoch of a record's user. Visitors have none, and neither have records without a user's name. */
export function ownerOf(principal: string | undefined): string | undefined {
  return principal ? epochId(principal) : undefined
}

/** Creates a lookout. */
export function createLookout(parts: LookoutParts): Lookout {
  const { nodes, prefix, placement, epochs, now, maxKnown } = parts
  const knowledge = new Map<string, Known>()

  function place(key: string): Place {
    return { node: nodes[placement(key)] as MemcachedNode, name: sessionItem(prefix, key) }
  }

  function remember(key: string, known: Known): void {
    if (!knowledge.delete(key) && knowledge.size >= maxKnown) {
      for (const oldest of knowledge.keys()) {
        knowledge.delete(oldest)
        break
      }
    }
    knowledge.set(key, known)
  }

  /**
   * One round trip when the key's user is known, two otherwise.
   *
   * An epoch is asked for before its record, so that a record that moves on to the next epoch is never seen in the old
   * one. Where it comes out otherwise, the two are looked at again: a record that has not changed since is dead.
   */
  async function examine(key: string, showsEnding: boolean): Promise<Found> {
    const { node, name } = place(key)
    const asked = new Map<string, Promise<Epoch | undefined>>()
    const ask = (id: string) => asked.set(id, epochs.find(node, id))
    let ids = knowledge.get(key)?.guards.map(({ id }) => id) ?? []
    let before: string | undefined
    for (let looks = 0; looks < MAX_LOOKS; looks++) {
      asked.clear()
      ids.forEach(ask)
      const reading = readItem(node, name)
      const [item, ...known] = await Promise.all([reading, ...asked.values()])
      const found = decode(key, item, showsEnding)
      if (!('value' in found)) return found
      const { value, cas } = found
      const { session, guards } = value
      const rest = guards.filter(({ id }) => !asked.has(id)).map(({ id }) => id)
      const first = rest.length === 0
      rest.forEach(ask)
      const lasting = first ? known : await Promise.all(asked.values())
      const byId = new Map([...asked.keys()].map((id, index) => [id, lasting[index]]))
      if (guards.every((guard) => isWithin(guard, byId.get(guard.id)))) {
        const owner = ownerOf(session.principal)
        remember(key, { cas, version: session.version, expiresAt: session.expiresAt, owner, guards })
        return {
          kind: 'live',
          cas,
          session,
          guards,
          epoch: owner === undefined ? undefined : byId.get(owner),
        }
      }
      if (first && cas === before) return { kind: 'dead', cas, session }
      before = cas
      ids = guards.map(({ id }) => id)
    }
    throw new StoreUnavailableError(`Cannot use memcached at ${node.name}: others keep changing a session`, {
      cause: new Error(`Looked ${MAX_LOOKS} times`),
    })
  }

  function decode(
    key: string,
    item: Item | undefined,
    showsEnding: boolean,
  ):
    | (Found & { kind: 'nothing' | 'corrupt' | 'dead' | 'ending' })
    | { readonly value: Value; readonly cas: string } {
    if (!item) {
      knowledge.delete(key)
      return { kind: 'nothing' }
    }
    const { cas, frozen } = item
    if (frozen && !showsEnding) return { kind: 'ending', cas }
    const value = decodeValue(key, item.value)
    if (!value) return { kind: 'corrupt', cas }
    if (value.session.expiresAt <= now()) return { kind: 'dead', cas, session: value.session }
    return { value, cas }
  }

  return {
    place,
    look: (key) => examine(key, false),
    inspect: (key) => examine(key, true),
    remember,
    known: (key) => knowledge.get(key),
    forget: (key) => void knowledge.delete(key),
  }
}
