/**
 * Finds the records that have expired, without ever looking at the others.
 *
 * Records that expire within the same second are in one bucket; the buckets are in a heap, the earliest on top. A
 * record is moved when its expiry moves, so a bucket that is due holds only records that are.
 *
 * @module
 */

import { createChains } from './chains.ts'
import { createLists } from './list.ts'
import { createPool, NONE, type Pool } from './pool.ts'
import { createWords } from './words.ts'

const BUCKET_WORDS = 6
const SECOND = 0
const CHAIN = 1
const HEAD = 2
const TAIL = 3
const HEAP = 4

const MAX_SECOND = 0xffff_ffff

/** Records of one second that are looked at together: more than that would be a stall. */
const WINDOW = 1_024

/** Records by the instant of their expiry. */
export interface Calendar {
  /** Adds a record by the expiry that it has. */
  add(id: number): void
  /** Takes a record out. Its expiry is no longer looked at. */
  remove(id: number): void
  /** Gives a record another expiry. */
  move(id: number, instant: number): void
  /**
   * Lists records that have expired, all from one second and the earliest first.
   *
   * The order is exact among the {@link WINDOW} records of a second that came to it first.
   *
   * @returns An empty array when nothing has. Of a second that is still running and has more records than
   * {@link WINDOW}, some may follow when it is over.
   */
  due(now: number): readonly number[]
  /** One record that has expired, or {@link NONE}: cheap enough to be asked by every insert. */
  dueOne(now: number): number
}

/** Fields of a record that the calendar uses. */
export interface CalendarFields {
  /** 64-bit number: the expiry in milliseconds since the Unix epoch. */
  readonly expiresAt: number
  readonly previous: number
  readonly next: number
}

/** Creates an empty calendar of records in a pool. */
export function createCalendar(records: Pool, { expiresAt, previous, next }: CalendarFields): Calendar {
  const buckets = createPool(BUCKET_WORDS)
  const lists = createLists(records, buckets, { previous, next, head: HEAD, tail: TAIL })
  const seconds = createChains(buckets, SECOND, CHAIN)
  const heap = createWords()
  /** Nothing expires before this instant, as far as the bucket on top was looked through. */
  let quietUntil = -Infinity

  function findBucket(second: number): number {
    let bucket = seconds.first(second)
    while (bucket !== NONE && buckets.get(bucket, SECOND) !== second) bucket = seconds.next(bucket)
    return bucket
  }

  function openBucket(second: number): number {
    const bucket = buckets.allocate()
    buckets.set(bucket, SECOND, second)
    buckets.set(bucket, HEAD, NONE)
    buckets.set(bucket, TAIL, NONE)
    seconds.insert(bucket)
    heap.push(bucket)
    rise(heap.length - 1, bucket)
    return bucket
  }

  function closeBucket(bucket: number): void {
    const place = buckets.get(bucket, HEAP)
    const last = heap.pop()
    seconds.remove(bucket)
    buckets.release(bucket)
    if (last === bucket) return
    rise(place, last)
    sink(buckets.get(last, HEAP), last)
  }

  function place(index: number, bucket: number): void {
    heap.set(index, bucket)
    buckets.set(bucket, HEAP, index)
  }

  function rise(index: number, bucket: number): void {
    const second = buckets.get(bucket, SECOND)
    while (index > 0) {
      const parent = heap.get((index - 1) >>> 1)
      if (buckets.get(parent, SECOND) <= second) break
      place(index, parent)
      index = (index - 1) >>> 1
    }
    place(index, bucket)
  }

  function sink(index: number, bucket: number): void {
    const second = buckets.get(bucket, SECOND)
    for (let child = 2 * index + 1; child < heap.length; child = 2 * index + 1) {
      if (child + 1 < heap.length && secondAt(child + 1) < secondAt(child)) child++
      if (second <= secondAt(child)) break
      place(index, heap.get(child))
      index = child
    }
    place(index, bucket)
  }

  function secondAt(index: number): number {
    return buckets.get(heap.get(index), SECOND)
  }

  /** Looks through the earliest bucket for at most `enough` expired records. */
  function collect(now: number, enough: number): number[] {
    const found: number[] = []
    if (now < quietUntil || heap.length === 0 || secondAt(0) * 1_000 > now) return found
    let seen = 0
    let earliest = Infinity
    let id = lists.first(heap.get(0))
    for (; id !== NONE && seen < WINDOW && found.length < enough; id = lists.next(id)) {
      const instant = records.getFloat(id, expiresAt)
      if (instant <= now || Number.isNaN(instant)) found.push(id)
      else earliest = Math.min(earliest, instant)
      seen++
    }
    // A second with more records than the window is looked at again, but not within the same millisecond.
    if (found.length === 0) quietUntil = id === NONE ? earliest : now + 1
    return found
  }

  function add(id: number): void {
    const second = secondOf(records.getFloat(id, expiresAt))
    const bucket = findBucket(second)
    lists.append(bucket === NONE ? openBucket(second) : bucket, id)
    heed(id)
  }

  function remove(id: number): void {
    const emptied = lists.remove(id)
    if (emptied !== NONE) closeBucket(emptied)
  }

  /** Ends the quiet early enough for this record. */
  function heed(id: number): void {
    const instant = records.getFloat(id, expiresAt)
    if (!(instant >= quietUntil)) quietUntil = instant
  }

  return {
    add,
    remove,
    move(id, instant) {
      const stays = secondOf(records.getFloat(id, expiresAt)) === secondOf(instant)
      if (!stays) remove(id)
      records.setFloat(id, expiresAt, instant)
      if (stays) heed(id)
      else add(id)
    },
    due(now) {
      const found = collect(now, WINDOW)
      const instants = (a: number, b: number) =>
        records.getFloat(a, expiresAt) - records.getFloat(b, expiresAt)
      return found.every((id, index) => index === 0 || instants(found[index - 1]!, id) <= 0)
        ? found
        : found.sort(instants)
    },
    dueOne(now) {
      return collect(now, 1)[0] ?? NONE
    },
  }
}

/** The second in which an instant falls. Instants that have none share the first or the last bucket. */
function secondOf(instant: number): number {
  return Math.max(0, Math.min(MAX_SECOND, Math.floor(instant / 1_000))) >>> 0
}
