/**
 * The few things a session store does with items, in the words of memcached's meta commands.
 *
 * @module
 */

import { hash } from 'node:crypto'
import { StoreUnavailableError } from '../store.ts'
import type { MemcachedNode } from '../memcached.ts'
import { flagOf, type Reply } from './replies.ts'

/** An item with its compare-and-set token, which changes with each write of it. */
export interface Item {
  readonly value: Buffer
  readonly cas: string
  /** Seconds until it expires; `-1` for never. */
  readonly ttl: number
  /** Somebody is deleting it; see {@link freezeItem}. */
  readonly frozen: boolean
}

/** What became of a conditional write or deletion. */
export type Done =
  | { readonly outcome: 'done'; readonly cas: string }
  | { readonly outcome: 'changed'; readonly cas?: undefined }
  | { readonly outcome: 'absent'; readonly cas?: undefined }

/** How long an item stays of which the deletion was cut short, in seconds. Nobody takes it for live meanwhile. */
const FROZEN_SECONDS = 30

const MINTED_KEY = /^[\w-]{43}$/

/** Name of a session's item. A key that the engine did not mint may have spaces or be too long, and is hashed. */
export function sessionItem(prefix: string, key: string): string {
  return MINTED_KEY.test(key) ? `${prefix}s:${key}` : `${prefix}h:${hash('sha256', key, 'base64url')}`
}

/** Name of a user's epoch, by which guards refer to it. Half a SHA-256: no two users share one. */
export function epochId(principal: string): string {
  // Lone surrogates would all be the same in UTF-8.
  return hash('sha256', JSON.stringify(principal), 'base64url').slice(0, 22)
}

/** Reads an item. */
export async function readItem(node: MemcachedNode, name: string): Promise<Item | undefined> {
  const reply = await node.meta(`mg ${name} v c t`)
  if (reply.status === 'EN') return undefined
  if (!reply.value) return refuse(node, reply)
  return {
    value: reply.value,
    cas: flagOf(reply, 'c') ?? '',
    ttl: Number(flagOf(reply, 't') ?? -1),
    frozen: flagOf(reply, 'X') !== undefined,
  }
}

/** Adds an item where there is none. @returns Its token; `undefined` when there is one. */
export async function addItem(
  node: MemcachedNode,
  name: string,
  value: Buffer,
  expiry: number,
): Promise<string | undefined> {
  const reply = await node.meta(`ms ${name} ${value.length} ME T${expiry} c`, value)
  if (reply.status === 'NS') return undefined
  return reply.status === 'HD' ? (flagOf(reply, 'c') ?? '') : refuse(node, reply)
}

/** Replaces an item that still has this token. It never adds one. */
export async function swapItem(
  node: MemcachedNode,
  name: string,
  cas: string,
  value: Buffer,
  expiry: number,
): Promise<Done> {
  return toDone(node, await node.meta(`ms ${name} ${value.length} C${cas} T${expiry} c`, value))
}

/**
 * Marks an item as one that is being deleted, whatever its token is: it can still be read, and its token has changed.
 *
 * Whoever reads first and then deletes what it read would never get its turn among writers that need one round trip
 * for a write. Eight of them kept a deletion waiting for 200 attempts.
 *
 * @returns Whether there was an item.
 */
export async function freezeItem(node: MemcachedNode, name: string): Promise<boolean> {
  return toDone(node, await node.meta(`md ${name} I T${FROZEN_SECONDS}`)).outcome === 'done'
}

/** Deletes an item, if a token is given only while it has that. */
export async function removeItem(node: MemcachedNode, name: string, cas?: string): Promise<Done> {
  return toDone(node, await node.meta(cas === undefined ? `md ${name}` : `md ${name} C${cas}`))
}

/** Moves the expiry of an item, if there is one. Its token stays. */
export async function prolongItem(node: MemcachedNode, name: string, expiry: number): Promise<void> {
  await node.meta(`mg ${name} T${expiry}`)
}

function toDone(node: MemcachedNode, reply: Reply): Done {
  if (reply.status === 'HD') return { outcome: 'done', cas: flagOf(reply, 'c') ?? '' }
  if (reply.status === 'EX') return { outcome: 'changed' }
  return reply.status === 'NF' ? { outcome: 'absent' } : refuse(node, reply)
}

function refuse(node: MemcachedNode, { status }: Reply): never {
  throw new StoreUnavailableError(
    `Cannot use memcached at ${node.name}: it answered as no version known does; use 1.6.12 or newer`,
    { cause: new Error(`Answer ${status}`) },
  )
}
