/**
 * The feed with the proof that it works: told changes on the one side, a claim that ends by itself on the other.
 *
 * @module
 */

import { setTimeout as pause } from 'node:timers/promises'
import { createLease, type LeaseOptions } from '../../freshness/lease.ts'
import type { InvalidationFeed, InvalidationListener, InvalidationSubscription } from '../invalidations.ts'

/** A feed that is listened to. */
export interface Channel {
  /** Whether every change that was acknowledged longer ago than the bound has been told. */
  isLive(): boolean
  /** Age of the newest proof in milliseconds; `Infinity` when there is none since the channel last broke. */
  age(): number
  /** Whether every change from now on is told, sooner or later, unless the channel breaks and says so. */
  isProven(): boolean
  close(): Promise<void>
}

/** Options of {@link createChannel}. */
export interface ChannelOptions extends Omit<LeaseOptions, 'onLapse' | 'onRenew' | 'bound'> {
  readonly bound: number
  /** Called when the claim ended, or did not begin in time, with what the feed said last when it was asked to echo. */
  readonly onLapse: (error: unknown) => void
  readonly onRenew: () => void
}

/** What a channel tells. */
export interface ChannelListener extends Pick<InvalidationListener, 'changed' | 'changedAll'> {
  /**
   * Changes may be missed from now on, until the channel is proven again.
   *
   * @param age How old the newest proof is, in milliseconds; `Infinity` when there is none.
   */
  broken(age: number): void
}

/** Longest pause before a feed that stays silent is left and listened to anew, in milliseconds. */
const LONGEST_PATIENCE = 30_000

/**
 * Listens to a feed and keeps a lease on it.
 *
 * A connection that was cut without a word can stay silent for minutes after the way is free again, as TCP waits ever
 * longer before it tries. So a feed whose lease has lapsed for long is closed and listened to anew.
 */
export function createChannel(
  feed: InvalidationFeed,
  listener: ChannelListener,
  { bound, onLapse, onRenew, ...clocks }: ChannelOptions,
): Channel {
  let subscription: InvalidationSubscription | undefined
  let generation = 0
  let patience = 0
  let silence: NodeJS.Timeout | undefined
  let reason: unknown
  let isTold = false
  let isClosed = false

  const lease = createLease(send, {
    ...clocks,
    bound,
    onLapse() {
      tellLapse()
      waitForProof()
    },
    onRenew() {
      clearTimeout(silence)
      patience = 0
      reason = undefined
      isTold = false
      onRenew()
    },
  })

  async function send(nonce: string): Promise<void> {
    try {
      await subscription?.echo(nonce)
    } catch (error) {
      reason = error
    }
  }

  function tellLapse(): void {
    if (isTold || isClosed) return
    isTold = true
    onLapse(reason)
  }

  function breakOff(): void {
    listener.broken(lease.age())
    lease.break()
  }

  function listen(): void {
    generation += 1
    const mine = generation
    const isMine = (): boolean => mine === generation && !isClosed
    subscription = feed.subscribe({
      changed: (key) => isMine() && listener.changed(key),
      changedAll: () => isMine() && listener.changedAll(),
      broken: () => isMine() && breakOff(),
      echoed: (nonce) => isMine() && lease.confirm(nonce),
    })
    lease.probe()
  }

  /** Gives the channel some time, ever more, and begins anew when it is still silent. */
  function waitForProof(): void {
    clearTimeout(silence)
    if (isClosed) return
    patience = Math.min(patience === 0 ? 2 * bound : patience * 2, LONGEST_PATIENCE)
    silence = setTimeout(() => void beginAnew(), patience * (1 + Math.random() / 2)).unref()
  }

  async function beginAnew(): Promise<void> {
    const silent = subscription
    generation += 1
    subscription = undefined
    breakOff()
    tellLapse()
    // Closed before the next begins, as both may share a client, but not waited for longer than the bound.
    await Promise.race([silent?.close().catch(() => undefined), pause(bound, undefined, { ref: false })])
    if (isClosed) return
    listen()
    waitForProof()
  }

  listen()
  waitForProof()

  return {
    isLive: () => lease.isLive(),
    age: () => lease.age(),
    isProven: () => lease.age() !== Number.POSITIVE_INFINITY,
    async close() {
      isClosed = true
      clearTimeout(silence)
      lease.stop()
      await subscription?.close()
    },
  }
}
