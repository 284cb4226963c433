/**
 * Ends all sessions of a user, on every node.
 *
 * @module
 */

import { StoreUnavailableError } from '../store.ts'
import { type Epochs, mintEpoch } from './epochs.ts'
import { toExpiry } from './expiry.ts'
import { epochId, swapItem } from './items.ts'
import type { Lookout } from './look.ts'
import type { MemcachedNode } from '../memcached.ts'
import { encodeValue, type Guard } from './values.ts'

/** Epochs that a record may name: the lasting one, and those of revocations that keep it and race each other. */
const MAX_EPOCHS = 16

const MAX_ATTEMPTS = 200

/** Creates the `revokeAll` of a store. */
export function createRevocation(
  nodes: readonly MemcachedNode[],
  lookout: Lookout,
  epochs: Epochs,
  now: () => number,
): (principal: string, except?: string) => Promise<void> {
  /**
   * Ends an epoch around the session that stays: that one is let into the next epoch first, and then the next begins.
   *
   * @returns `undefined` when another caller changed something meanwhile; whether there was a session to keep.
   */
  async function keepOne(id: string, principal: string, key: string): Promise<boolean | undefined> {
    const found = await lookout.look(key)
    if (found.kind !== 'live' || found.session.principal !== principal || !found.epoch) return false
    const { node, name } = lookout.place(key)
    const { session, cas, epoch } = found
    const next = mintEpoch()
    const guards = found.guards.map((guard) => (guard.id === id ? letInto(guard, epoch.word, next) : guard))
    const value = encodeValue(session.version, session, guards)
    const kept = await swapItem(node, name, cas, value, toExpiry(session.expiresAt, now()))
    lookout.forget(key)
    if (kept.outcome !== 'done') return undefined
    return (await epochs.follow(node, id, epoch, next, session.expiresAt)) || undefined
  }

  async function endOn(node: MemcachedNode, id: string, principal: string, except?: string): Promise<void> {
    if (except !== undefined && lookout.place(except).node === node) {
      for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
        const kept = await keepOne(id, principal, except)
        if (kept === true) return
        if (kept === false) return epochs.end(node, id)
      }
      throw new StoreUnavailableError(
        "Cannot end a user's sessions: others keep changing the one that stays",
        { cause: new Error(`Tried ${MAX_ATTEMPTS} times`) },
      )
    }
    return epochs.end(node, id)
  }

  async function endEverywhere(id: string, principal: string, except: string | undefined): Promise<void> {
    const ends = await Promise.allSettled(nodes.map((node) => endOn(node, id, principal, except)))
    const failed = ends.find((end) => end.status === 'rejected')
    if (!failed) return
    const done = ends.filter(({ status }) => status === 'fulfilled').length
    throw new StoreUnavailableError(
      `Cannot end all sessions of a user as ${nodes.length - done} of ${nodes.length} memcached servers did not confirm it, ` +
        'so some of them may go on: try again when all are back',
      { cause: failed.reason },
    )
  }

  return async (principal, except) => {
    // Records without a user's name are of no epoch: they are no sessions but lead to some.
    if (principal === '') return
    const id = epochId(principal)
    await endEverywhere(id, principal, except)
    // A session that gets a new id meanwhile may move from a node that has not been told yet to one that has been: it is
    // in the next epoch there. By now no session is left that could do so.
    if (nodes.length > 1) await endEverywhere(id, principal, except)
  }
}

/** Adds the next epoch to those of a guard, and leaves out the ones that are over for longest. */
function letInto({ id, epochs }: Guard, lasting: string, next: string): Guard {
  const pending = epochs.filter((word) => word !== lasting)
  return { id, epochs: [lasting, ...pending.slice(2 - MAX_EPOCHS), next] }
}
