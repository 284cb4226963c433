/**
 * Removes expired sessions from the log, and after a while their removals too.
 *
 * @module
 */

import type { SweptSession } from '../store.ts'
import { NO_DATA } from './codec.ts'
import type { Copy, ExpiredSession, Marker } from './copy.ts'
import type { Follower } from './follower.ts'
import type { ReplicatedLog } from './log.ts'
import { sessionName, SWEEPER } from './names.ts'

/** How long a server that died while it swept keeps the others from sweeping, in milliseconds. */
const LEASE_LIFETIME = 15_000
/** Requests under way at once: sweeping must leave the log to live traffic. */
const PARALLEL = 16
/**
 * Age at which a removal leaves the log, in milliseconds. A watch that lags by more than the bound is torn down long
 * before, so every copy in use has seen it.
 */
const MARKER_LIFETIME = 60_000
/** Removals that one sweep takes out of the log. */
const MARKER_LIMIT = 1_000

/** Creates the `sweep` of a store. A lease in the log lets one server sweep at a time. */
export function createSweeper(
  log: ReplicatedLog,
  follower: Follower,
  now: () => number,
): (limit: number) => Promise<readonly SweptSession[]> {
  let sweeping = false

  /** Takes the lease; gives its revision, or `undefined` when another server holds it. */
  async function takeLease(): Promise<number | undefined> {
    const entry = await log.get(SWEEPER)
    const until = entry && !entry.removed ? Number(entry.meta) : 0
    if (until > now()) return undefined
    return log.put(SWEEPER, leaseUntil(now() + LEASE_LIFETIME), entry?.revision ?? 0)
  }

  /** A lease that cannot be given back ends by itself. */
  async function giveBack(lease: number): Promise<void> {
    await log.put(SWEEPER, leaseUntil(0), lease).catch(() => undefined)
  }

  async function sweepInto(swept: SweptSession[], limit: number): Promise<void> {
    const copy = await follower.catchUp()
    const refused = new Set<string>()
    const end = now() + LEASE_LIFETIME / 2
    while (swept.length < limit && now() < end) {
      const due = copy.due(now()).filter(({ key }) => !refused.has(key))
      if (due.length === 0) return
      const batch = due.slice(0, Math.min(limit - swept.length, PARALLEL))
      const removed = await Promise.all(batch.map((session) => remove(copy, session)))
      for (const [index, { key, principal }] of batch.entries()) {
        if (removed[index]) swept.push({ key, principal })
        else refused.add(key)
      }
    }
  }

  /** Another server may have kept it alive meanwhile; then the watch tells. */
  async function remove(copy: Copy, { key, revision }: ExpiredSession): Promise<boolean> {
    const name = sessionName(key)
    const removal = await log.remove(name, revision)
    if (removal === undefined) return false
    const entry = { key: name, revision: removal, at: now(), meta: '', data: NO_DATA, removed: true }
    follower.learn(entry)
    copy.learn(entry)
    return true
  }

  async function forgetMarkers(markers: Marker[]): Promise<void> {
    const young = markers.findIndex(({ at }) => at > now() - MARKER_LIFETIME)
    const old = markers.splice(0, Math.min(young < 0 ? markers.length : young, MARKER_LIMIT))
    for (let index = 0; index < old.length; index += PARALLEL) {
      const batch = old.slice(index, index + PARALLEL)
      // One that stays is left to its age.
      await Promise.allSettled(batch.map(({ revision }) => log.forget(revision)))
    }
  }

  return async (limit) => {
    const { copy } = follower
    const isDue =
      copy && (copy.due(now()).length > 0 || (copy.markers[0]?.at ?? now()) < now() - MARKER_LIFETIME)
    if (sweeping || !copy || !isDue) return []
    sweeping = true
    const swept: SweptSession[] = []
    try {
      const lease = await takeLease()
      if (lease === undefined) return []
      try {
        await sweepInto(swept, limit)
      } finally {
        await giveBack(lease)
      }
      // Nobody waits for it.
      void forgetMarkers(copy.markers)
    } catch (error) {
      // What was removed is reported even when a later removal failed.
      if (swept.length === 0) throw error
    } finally {
      sweeping = false
    }
    return swept
  }
}

function leaseUntil(instant: number) {
  return { meta: String(instant), data: NO_DATA }
}
