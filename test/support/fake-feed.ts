/**
 * A feed of invalidations in the hands of a test: messages wait until they are delivered, get lost, or are never sent.
 *
 * @module
 */

import type { InvalidationFeed, InvalidationListener } from '../../src/stores/invalidations.ts'
import type { IndexedSessionStore } from '../../src/stores/store.ts'

type Message = (listener: InvalidationListener) => void

/** A feed and what a test does to it. All subscribers share one channel. */
export interface FakeFeed {
  readonly feed: InvalidationFeed
  /** Tells of a change, once it is delivered. */
  change(key: string): void
  changeAll(): void
  /** Delivers the oldest messages. */
  deliver(count?: number): void
  /** Loses what is under way and what is sent from now on, without a word, until {@link FakeFeed.breakOff}. */
  cut(): void
  /** Tells that the channel broke; from now on messages arrive again. */
  breakOff(): void
  /** Tells that the channel broke, and loses what is sent until {@link FakeFeed.reconnect}. */
  lose(): void
  /** Lets messages arrive again, if it was told that the channel broke. */
  reconnect(): void
  /** Lets every nonce be refused; `undefined` takes them again. */
  refuse(error: Error | undefined): void
  /** Subscriptions so far, and how many are open. */
  readonly counts: { subscribed: number; open: number }
}

/** Creates a feed. With `isPrompt`, messages are delivered as they are sent. */
export function createFakeFeed(isPrompt = false): FakeFeed {
  const listeners = new Set<InvalidationListener>()
  const counts = { subscribed: 0, open: 0 }
  let queue: Message[] = []
  let isCut = false
  let isTold = false
  let refusal: Error | undefined

  function send(message: Message): void {
    if (isCut) return
    queue.push(message)
    if (isPrompt) deliver()
  }

  function deliver(count = Number.POSITIVE_INFINITY): void {
    for (const message of queue.splice(0, count)) for (const listener of listeners) message(listener)
  }

  return {
    counts,
    feed: {
      name: 'fake',
      subscribe(listener) {
        listeners.add(listener)
        counts.subscribed += 1
        counts.open += 1
        if (isCut) queue = []
        isCut = false
        return {
          async echo(nonce) {
            if (refusal) throw refusal
            send(({ echoed }) => echoed(nonce))
          },
          async close() {
            if (listeners.delete(listener)) counts.open -= 1
          },
        }
      },
    },
    change: (key) => send(({ changed }) => changed(key)),
    changeAll: () => send(({ changedAll }) => changedAll()),
    deliver,
    cut() {
      if (!isCut) isTold = false
      isCut = true
      queue = []
    },
    breakOff() {
      isCut = false
      queue = []
      for (const { broken } of listeners) broken()
    },
    lose() {
      isCut = true
      isTold = true
      queue = []
      for (const { broken } of listeners) broken()
    },
    reconnect() {
      if (isTold) isCut = false
    },
    refuse(error) {
      refusal = error
    },
  }
}

/** Lets a store tell of what is changed through it, as a back end does. */
export function tellChanges<Store extends IndexedSessionStore>(store: Store, { change }: FakeFeed): Store {
  return {
    ...store,
    async create(key, record) {
      const result = await store.create(key, record)
      if (result.outcome === 'written') change(key)
      return result
    },
    async write(key, version, record) {
      const result = await store.write(key, version, record)
      if (result.outcome === 'written') change(key)
      return result
    },
    async delete(key) {
      const deleted = await store.delete(key)
      if (deleted) change(key)
      return deleted
    },
    async quarantine(key) {
      const isAside = await store.quarantine(key)
      if (isAside) change(key)
      return isAside
    },
  }
}
