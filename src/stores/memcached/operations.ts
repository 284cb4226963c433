/**
 * What the store does with one session. Each change is conditional on the token of what was looked at.
 *
 * @module
 */

import { CorruptRecordError, type SessionRecord, type SessionStore, StoreUnavailableError } from '../store.ts'
import { type Epochs, isWithin } from './epochs.ts'
import { toExpiry } from './expiry.ts'
import { addItem, freezeItem, removeItem, swapItem } from './items.ts'
import { type Found, type Known, type Lookout, ownerOf, type Place } from './look.ts'
import { encodeValue, type Guard } from './values.ts'

/** Methods of {@link createOperations}. */
export type Operations = Pick<SessionStore, 'create' | 'read' | 'write' | 'touch' | 'delete' | 'quarantine'>

/** Most attempts of one call; each that fails is one that another caller has won. */
const MAX_ATTEMPTS = 200

/** Bytes that memcached itself needs for an item, at most. */
const ITEM_OVERHEAD = 80

const CONFLICT = { outcome: 'conflict' } as const
const GONE = { outcome: 'gone' } as const

/** Creates the operations of a store. */
export function createOperations(lookout: Lookout, epochs: Epochs, now: () => number): Operations {
  const { look, place } = lookout

  function encode(place: Place, version: number, record: SessionRecord, guards: readonly Guard[]): Buffer {
    const value = encodeValue(version, record, guards)
    const limit = Number(place.node.facts.get('item_size_max') ?? Number.POSITIVE_INFINITY)
    if (value.length + place.name.length + ITEM_OVERHEAD <= limit) return value
    throw new RangeError(
      `Cannot store a session of ${value.length} bytes as the items of memcached at ${place.node.name} ` +
        `end at ${limit}: keep what is large elsewhere, or start memcached with -I 2m`,
    )
  }

  /** Guards of what replaces a record. The user before stands for the record until it is looked at again. */
  async function guardsAfter(
    { node }: Place,
    { owner, guards }: Pick<Known, 'owner' | 'guards'>,
    record: SessionRecord,
  ): Promise<readonly Guard[]> {
    const next = ownerOf(record.principal)
    if (next === owner) return guards
    const left = guards.filter(({ id }) => id === owner)
    if (next === undefined) return left
    return [{ id: next, epochs: [await epochs.open(node, next, record.expiresAt)] }, ...left]
  }

  /**
   * Makes a session that changed its user independent of the user before, once it is sure that it was theirs until then.
   *
   * @returns `false` when they had been revoked before it was written.
   */
  async function releaseFrom(
    before: string,
    key: string,
    record: SessionRecord,
    guards: readonly Guard[],
    cas: string,
  ): Promise<boolean> {
    const { node, name } = place(key)
    const guard = guards.find(({ id }) => id === before)
    const known = lookout.known(key)
    try {
      if (!guard || !known) return true
      if (!isWithin(guard, await epochs.find(node, before))) {
        lookout.forget(key)
        return false
      }
      const own = guards.filter((other) => other !== guard)
      const value = encode({ node, name }, known.version, record, own)
      const done = await swapItem(node, name, cas, value, toExpiry(record.expiresAt, now()))
      if (done.outcome === 'done') noteWritten(key, done.cas, known.version, record, own)
      else lookout.forget(key)
    } catch {
      // It is stored; until it is written again, it ends with the sessions of the user before as well.
      lookout.forget(key)
    }
    return true
  }

  function noteWritten(
    key: string,
    cas: string,
    version: number,
    record: SessionRecord,
    guards: readonly Guard[],
  ) {
    const owner = ownerOf(record.principal)
    lookout.remember(key, { cas, version, expiresAt: record.expiresAt, owner, guards })
    return { outcome: 'written', version } as const
  }

  return {
    async create(key, record) {
      const at = place(key)
      const guards = await guardsAfter(at, { owner: undefined, guards: [] }, record)
      return repeat(async () => {
        const expiry = toExpiry(record.expiresAt, now())
        const added = await addItem(at.node, at.name, encode(at, 1, record, guards), expiry)
        if (added !== undefined) return noteWritten(key, added, 1, record, guards)
        // What is there may have ended a moment ago: memcached counts in seconds, and knows no epochs.
        const found = await look(key)
        if (found.kind === 'nothing') return undefined
        if (found.kind !== 'dead') return CONFLICT
        const version = found.session.version + 1
        const done = await swapItem(at.node, at.name, found.cas, encode(at, version, record, guards), expiry)
        return done.outcome === 'done' ? noteWritten(key, done.cas, version, record, guards) : undefined
      })
    },

    async read(key) {
      const found = await look(key)
      if (found.kind === 'corrupt') throw new CorruptRecordError('Cannot decode a session in memcached')
      return found.kind === 'live' ? found.session : undefined
    },

    async write(key, version, record) {
      const at = place(key)
      const owner = ownerOf(record.principal)
      return repeat(async () => {
        let known = lookout.known(key)
        if (known?.version !== version || known.owner !== owner) {
          const found = await look(key)
          if (found.kind === 'corrupt') return CONFLICT
          if (found.kind !== 'live') return GONE
          if (found.session.version !== version) return CONFLICT
          known = {
            ...found,
            version,
            expiresAt: found.session.expiresAt,
            owner: ownerOf(found.session.principal),
          }
        }
        if (known.expiresAt <= now()) return GONE
        const guards = await guardsAfter(at, known, record)
        const value = encode(at, version + 1, record, guards)
        // In one write and in this order: an epoch that lasts now lasted when memcached came to the record, or began
        // with it, and what is stored keeps its guards, so that a revocation in between ends it all the same.
        const asking = known.guards.map(({ id }) => epochs.find(at.node, id))
        const swapping = swapItem(at.node, at.name, known.cas, value, toExpiry(record.expiresAt, now()))
        const [done, ...lasting] = await Promise.all([swapping, ...asking])
        if (done.outcome !== 'done') {
          lookout.forget(key)
          return done.outcome === 'absent' ? GONE : undefined
        }
        if (!known.guards.every((guard, index) => isWithin(guard, lasting[index]))) {
          lookout.forget(key)
          return GONE
        }
        const own = known.guards.findIndex(({ id }) => id === owner)
        if (owner !== undefined && own !== -1)
          await epochs.outlast(at.node, owner, lasting[own], record.expiresAt)
        const written = noteWritten(key, done.cas, version + 1, record, guards)
        if (known.owner === undefined || known.owner === owner || record.principal === '') return written
        return (await releaseFrom(known.owner, key, record, guards, done.cas)) ? written : GONE
      })
    },

    async touch(key, lastSeenAt, expiresAt) {
      const { node, name } = place(key)
      return repeat(async () => {
        const found = await look(key)
        if (found.kind !== 'live') return false
        const { session, guards, cas, epoch } = found
        const record = {
          ...session,
          lastSeenAt: Math.max(session.lastSeenAt, lastSeenAt),
          expiresAt: Math.max(session.expiresAt, expiresAt),
        }
        if (record.lastSeenAt === session.lastSeenAt && record.expiresAt === session.expiresAt) return true
        const value = encode({ node, name }, session.version, record, guards)
        const done = await swapItem(node, name, cas, value, toExpiry(record.expiresAt, now()))
        if (done.outcome !== 'done') return done.outcome === 'absent' ? false : undefined
        const owner = ownerOf(session.principal)
        if (owner !== undefined) await epochs.outlast(node, owner, epoch, record.expiresAt)
        noteWritten(key, done.cas, session.version, record, guards)
        return true
      })
    },

    async delete(key) {
      const { node, name } = place(key)
      // Both leave in one write, in this order. From then on nobody changes the record but others who delete it, and of
      // all of them one removes it.
      const [frozen, seen] = await Promise.all([freezeItem(node, name), lookout.inspect(key)])
      let first: Found | undefined = seen
      const removed = await repeat<Found>(async () => {
        const found = first ?? (await lookout.inspect(key))
        first = undefined
        if (!frozen || found.kind === 'nothing') return { kind: 'nothing' }
        const { outcome } = await removeItem(node, name, found.cas)
        if (outcome === 'changed') return undefined
        return outcome === 'done' ? found : { kind: 'nothing' }
      })
      lookout.forget(key)
      return removed.kind === 'live' ? removed.session : undefined
    },

    async quarantine(key) {
      const { node, name } = place(key)
      return repeat(async () => {
        const found = await look(key)
        if (found.kind !== 'live' && found.kind !== 'corrupt') return false
        const { outcome } = await removeItem(node, name, found.cas)
        return outcome === 'changed' ? undefined : outcome === 'done'
      })
    },
  }
}

/** Tries again as long as another caller was faster. */
async function repeat<Result>(attempt: () => Promise<Result | undefined>): Promise<Result> {
  for (let attempts = 0; attempts < MAX_ATTEMPTS; attempts++) {
    const result = await attempt()
    if (result !== undefined) return result
  }
  throw new StoreUnavailableError('Cannot use the memcached session store: others keep changing a session', {
    cause: new Error(`Tried ${MAX_ATTEMPTS} times`),
  })
}
