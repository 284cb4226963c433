/**
 * What an operator should know about memcached servers before sessions are kept there.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { MAX_RECORD_LENGTH, StoreUnavailableError } from '../store.ts'
import { addItem, prolongItem, readItem, removeItem, swapItem } from './items.ts'
import type { MemcachedNode } from '../memcached.ts'

/** Bytes of the longest record: three for each code unit of data in UTF-8, and what stands beside them. */
const LONGEST_RECORD = MAX_RECORD_LENGTH * 3 + 8_192

/** Memory below which warnings say so, in bytes: memcached takes a megabyte at a time for items of each size. */
const LITTLE_MEMORY = 64 * 1_024 * 1_024

/** Examines each server; rejects when sessions cannot be kept on one of them. */
export async function examine(nodes: readonly MemcachedNode[]): Promise<readonly string[]> {
  const warnings = await Promise.all(
    nodes.map(async (node) => {
      await rehearse(node)
      return findDangers(node, await node.stats())
    }),
  )
  const single =
    nodes.length > 1
      ? []
      : ['All sessions end when the only memcached server does: list two or more, so that each has a share']
  return [...single, ...warnings.flat()]
}

/** Runs all that the store does once, so that a version which lacks something shows now. */
async function rehearse(node: MemcachedNode): Promise<void> {
  const name = `coatcheck-check:${randomBytes(16).toString('base64url')}`
  const [first, second] = [Buffer.from('first\r\n'), Buffer.from('second')]
  const added = await addItem(node, name, first, 60)
  const again = await addItem(node, name, second, 60)
  const swapped = await swapItem(node, name, added ?? '1', second, 60)
  const refused = await swapItem(node, name, added ?? '1', first, 60)
  await prolongItem(node, name, 120)
  const item = await readItem(node, name)
  const removed = await removeItem(node, name, item?.cas)
  const late = await swapItem(node, name, item?.cas ?? '1', first, 60)
  const isSound =
    added !== undefined &&
    again === undefined &&
    swapped.outcome === 'done' &&
    refused.outcome === 'changed' &&
    item?.value.equals(second) === true &&
    item.cas === swapped.cas &&
    item.ttl > 60 &&
    removed.outcome === 'done' &&
    late.outcome === 'absent'
  if (isSound) return
  const version = node.facts.get('version') ?? 'of an unknown version'
  throw new StoreUnavailableError(
    `Cannot use memcached at ${node.name} (${version}): it does not compare and set as 1.6.12 and newer do; ` +
      'check its version, that compare-and-set is on (no -C), and that no proxy stands before it',
    { cause: new Error('A rehearsal with an item of its own failed') },
  )
}

function findDangers(node: MemcachedNode, stats: ReadonlyMap<string, string>): readonly string[] {
  const warnings: string[] = []
  const itemSize = Number(node.facts.get('item_size_max'))
  if (itemSize < LONGEST_RECORD) {
    warnings.push(
      `memcached at ${node.name} refuses sessions beyond ${itemSize} bytes, which may be up to ${LONGEST_RECORD}: start it with -I 1m`,
    )
  }
  const memory = Number(stats.get('limit_maxbytes'))
  if (memory < LITTLE_MEMORY) {
    warnings.push(
      `memcached at ${node.name} has ${Math.floor(memory / 1_048_576)} MB: when they are full it ends sessions that were used least; start it with -m 64 or more`,
    )
  }
  if (node.facts.get('evictions') === 'off') {
    warnings.push(
      `memcached at ${node.name} refuses new sessions when its memory is full, as it may not drop any: start it without -M, or watch its memory`,
    )
  }
  const evicted = Number(stats.get('evictions'))
  if (evicted > 0) {
    warnings.push(
      `memcached at ${node.name} has dropped ${evicted} items to make room since it started: each may have been a session; give it more memory (-m)`,
    )
  }
  return warnings
}
