/**
 * A crowd of visitors that shops without pause while something breaks, and counts what it lost.
 *
 * @module
 */

import { performance } from 'node:perf_hooks'
import { setTimeout as delay } from 'node:timers/promises'
import type { Answer } from '../traffic/browser.ts'
import { createPace } from '../traffic/pace.ts'
import { type CartSight, createVisitor, type Visitor } from '../traffic/visitor.ts'
import { arrive } from './arrive.ts'
import { lookClearly } from './strangers.ts'

/** What a crowd has counted so far. */
export interface CrowdFigures {
  /** Logins that the shop acknowledged. */
  readonly acked_logins: number
  /** Cart items that the shop acknowledged. */
  readonly acked_items: number
  /** Of both: missing, at any look or at the final one. A login and each of its items count by themselves. */
  readonly acked_lost: number
  /** Cart items that one request put there twice. */
  readonly doubled: number
  /** Answers that were somebody else's. */
  readonly cross_user: number
  readonly requests: number
  /** Answers with status 5xx. */
  readonly status_5xx: number
  /** Requests without an answer. */
  readonly unanswered: number
  /** Longest time in which no request of anybody succeeded, in milliseconds. */
  readonly unavail_ms: number
}

/** Visitors that shop together. */
export interface Crowd {
  readonly visitors: readonly Visitor[]
  /** Registers everybody, who is then logged in. Rejects when a healthy shop refuses them. */
  enter(): Promise<void>
  /** Starts shopping. Nobody logs out; who was lost logs in again. */
  start(): void
  /** Resolves when the last requests have been answered. */
  stop(): Promise<void>
  /** Looks for every acknowledged login and item, once all is well again. What gives no clear answer then, is lost. */
  verify(): Promise<void>
  figures(): CrowdFigures
  close(): Promise<void>
}

/** Options of {@link createCrowd}. */
export interface CrowdOptions {
  /**
   * How many visitors.
   *
   * @default 24
   */
  readonly size?: number
  /**
   * Longest pause of a visitor between two requests, in milliseconds.
   *
   * @default 60
   */
  readonly pause?: number
  /**
   * Time after which a request counts as unanswered, in milliseconds.
   *
   * @default 5_000
   */
  readonly timeout?: number
  /**
   * Items that a visitor puts into one cart at most; it reads afterwards.
   *
   * @default 150; a session in a cookie has room for some 60
   */
  readonly cartLimit?: number
  /** What visitors show at `GET /me`. @default 'cookie' */
  readonly credentials?: 'cookie' | 'bearer' | undefined
}

const CART_LIMIT = 150

let crowds = 0

/** Creates a crowd before the door of the shop. */
export function createCrowd(getOrigin: () => string, options: CrowdOptions = {}): Crowd {
  const { size = 24, pause = 60, timeout = 5_000, cartLimit = CART_LIMIT, credentials } = options
  const counts = { acked_logins: 0, acked_items: 0, acked_lost: 0, cross_user: 0 }
  const outcomes = { requests: 0, status_5xx: 0, unanswered: 0, unavail_ms: 0 }
  const run = `${process.pid.toString(36)}${Date.now().toString(36)}${(++crowds).toString(36)}`
  const visitors = Array.from({ length: size }, (_, index) =>
    createVisitor(getOrigin, { username: `crowd-${run}-${index}`, timeout, credentials, onAnswer: count }),
  )
  const doubledItems = new Set<string>()
  let shopping: Promise<void>[] = []
  const door = { open: false }
  let succeededAt: number | undefined

  function count(answer: Answer | undefined): void {
    outcomes.requests++
    if (!answer) outcomes.unanswered++
    else if (answer.status >= 500) outcomes.status_5xx++
    else succeed()
  }

  function succeed(): void {
    const now = performance.now()
    if (door.open && succeededAt !== undefined) {
      outcomes.unavail_ms = Math.max(outcomes.unavail_ms, Math.round(now - succeededAt))
    }
    succeededAt = now
  }

  async function shop(visitor: Visitor): Promise<void> {
    while (door.open) {
      await delay(Math.random() * pause)
      if (!visitor.loggedIn) counts.acked_logins += Number(await visitor.login())
      else if (Math.random() < 0.4) await look(visitor)
      else await useCart(visitor)
    }
  }

  async function look(visitor: Visitor): Promise<void> {
    const sight = await visitor.me()
    if (sight === 'crossed') counts.cross_user++
    if (sight !== 'stranger' || !visitor.loggedIn) return
    counts.acked_lost += 1 + visitor.items.size
    visitor.forget()
  }

  async function useCart(visitor: Visitor): Promise<void> {
    const adds = visitor.items.size < cartLimit && Math.random() < 0.7
    const before = visitor.items.size
    const sight = await (adds ? visitor.addItem() : visitor.cart())
    counts.acked_items += visitor.items.size - before
    await judge(visitor, sight)
  }

  /** Items are missing either from a session that is known, or because the whole session is gone. */
  async function judge(visitor: Visitor, { missing, doubled, foreign }: CartSight): Promise<void> {
    if (foreign.length > 0) counts.cross_user++
    for (const item of doubled) doubledItems.add(item)
    if (missing.length === 0) return
    if ((await lookClearly(visitor)) === 'known') counts.acked_lost += missing.length
    else counts.acked_lost += 1 + visitor.items.size
    visitor.forget()
  }

  async function verify(visitor: Visitor): Promise<void> {
    if (!visitor.loggedIn) return
    const sight = await lookClearly(visitor)
    if (sight === 'crossed') counts.cross_user++
    if (sight === 'known') await judge(visitor, await readClearly(visitor))
    else counts.acked_lost += 1 + visitor.items.size
  }

  return {
    visitors,
    async enter() {
      const pace = createPace(4)
      await Promise.all(
        visitors.map((visitor) =>
          pace(async () => {
            await arrive(visitor)
            counts.acked_logins++
          }),
        ),
      )
    },
    start() {
      door.open = true
      succeededAt = performance.now()
      shopping = visitors.map(shop)
    },
    async stop() {
      succeed()
      door.open = false
      await Promise.all(shopping)
    },
    async verify() {
      await Promise.all(visitors.map(verify))
    },
    figures: () => ({ ...counts, doubled: doubledItems.size, ...outcomes }),
    async close() {
      door.open = false
      await Promise.all(visitors.map((visitor) => visitor.close()))
    },
  }
}

/** Asks for the cart until it is answered, at most ten times. Without an answer, everything in it is missing. */
async function readClearly(visitor: Visitor): Promise<CartSight> {
  for (let attempt = 1; ; attempt++) {
    const sight = await visitor.cart()
    if (sight.answer?.status === 200) return sight
    if (attempt === 10) return { ...sight, missing: [...visitor.items] }
    await delay(200)
  }
}
