/**
 * Epochs of users: what takes the place of an index. A user's sessions on a node end when the user's epoch there does.
 *
 * An epoch is a random word that is never used again, kept as an item of its own on each node where the user has logged
 * in. Ending it is deleting the item: whatever was stored in it, or is yet to arrive, counts for nothing from then on,
 * and so it does when memcached drops the item to make room. No clock takes part.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { addItem, prolongItem, readItem, removeItem, swapItem } from './items.ts'
import { toExpiry } from './expiry.ts'
import { StoreUnavailableError } from '../store.ts'
import type { MemcachedNode } from '../memcached.ts'
import type { Guard } from './values.ts'

/** An epoch as it was found. */
export interface Epoch {
  readonly word: string
  readonly cas: string
  /** Seconds that memcached keeps it; `-1` for ever. */
  readonly ttl: number
}

/** Epochs of users, by id, on a node. */
export interface Epochs {
  /** The one that lasts; `undefined` when none does. */
  find(node: MemcachedNode, id: string): Promise<Epoch | undefined>
  /** The one that lasts, or a new one. It is kept at least until the given instant. */
  open(node: MemcachedNode, id: string, expiresAt: number): Promise<string>
  /** Sees to it that an epoch outlives a session. */
  outlast(node: MemcachedNode, id: string, epoch: Epoch | undefined, expiresAt: number): Promise<void>
  /** Ends the one that lasts. */
  end(node: MemcachedNode, id: string): Promise<void>
  /** Ends one and begins the next, if it is still the same. @returns Whether it was. */
  follow(node: MemcachedNode, id: string, epoch: Epoch, word: string, expiresAt: number): Promise<boolean>
}

const DAY = 86_400_000

/** A revocation between the two commands of an attempt is what another one is for. */
const MAX_ATTEMPTS = 10

/**
 * How long an epoch is kept that nobody prolongs, in milliseconds: longer than the sessions that are stored in it.
 *
 * All epochs get the same time, so that of two servers that prolong one at once neither shortens it.
 */
const EPOCH_LIFETIME = 40 * DAY

/** Invents a word for an epoch. */
export function mintEpoch(): string {
  return randomBytes(12).toString('base64url')
}

/** Tells whether a guard lets its record count in an epoch. */
export function isWithin({ epochs }: Guard, epoch: Epoch | undefined): boolean {
  return epoch !== undefined && epochs.includes(epoch.word)
}

/** Creates the epochs of a store. */
export function createEpochs(prefix: string, now: () => number): Epochs {
  const nameOf = (id: string) => `${prefix}e:${id}`

  function expiryFor(expiresAt: number): number {
    const at = now()
    return expiresAt - at > EPOCH_LIFETIME - DAY ? 0 : toExpiry(at + EPOCH_LIFETIME, at)
  }

  async function find(node: MemcachedNode, id: string): Promise<Epoch | undefined> {
    const item = await readItem(node, nameOf(id))
    return item && { word: item.value.toString('latin1'), cas: item.cas, ttl: item.ttl }
  }

  async function outlast(
    node: MemcachedNode,
    id: string,
    epoch: Epoch | undefined,
    expiresAt: number,
  ): Promise<void> {
    if (!epoch || epoch.ttl === -1 || epoch.ttl * 1_000 > expiresAt - now() + DAY / 2) return
    await prolongItem(node, nameOf(id), expiryFor(expiresAt))
  }

  return {
    find,
    outlast,
    async open(node, id, expiresAt) {
      for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt++) {
        const word = Buffer.from(mintEpoch())
        // Both leave in one write: the first answers nothing of use when there is an epoch already.
        const [, epoch] = await Promise.all([
          addItem(node, nameOf(id), word, expiryFor(expiresAt)),
          find(node, id),
        ])
        if (!epoch) continue
        await outlast(node, id, epoch, expiresAt)
        return epoch.word
      }
      throw new StoreUnavailableError(
        `Cannot use memcached at ${node.name}: it drops what it has just been given; give it more memory (-m)`,
        { cause: new Error('The item of a user was gone at once') },
      )
    },
    async end(node, id) {
      await removeItem(node, nameOf(id))
    },
    async follow(node, id, { cas }, word, expiresAt) {
      const { outcome } = await swapItem(node, nameOf(id), cas, Buffer.from(word), expiryFor(expiresAt))
      return outcome === 'done'
    },
  }
}
