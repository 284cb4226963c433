/**
 * Virtual visitors that register, log in, shop, and say at every look whether the shop still knows them.
 *
 * @module
 */

import type { TrafficState } from '../protocol.ts'
import type { Answer } from './browser.ts'
import { createPace } from './pace.ts'
import { createVisitor, type Visitor } from './visitor.ts'

/** Most visitors that one lab carries. */
export const MAX_VISITORS = 500

/** Most requests per second that one lab carries. */
export const MAX_RATE = 2_000

/** How much traffic is wanted. */
export interface TrafficSettings {
  /** From 0 to {@link MAX_VISITORS}. */
  readonly visitors: number
  /** Requests per second over all visitors, from 0 to {@link MAX_RATE}. */
  readonly rate: number
}

/** Virtual visitors at work. */
export interface Traffic {
  /**
   * Lets visitors come or leave, and changes their pace.
   *
   * @throws {RangeError} When a number is outside its bounds.
   */
  set(settings: TrafficSettings): void
  state(): TrafficState
  close(): Promise<void>
}

/** Options of {@link createTraffic}. */
export interface TrafficOptions {
  /**
   * Clock, in milliseconds.
   *
   * @default Date.now
   */
  readonly now?: () => number
  /**
   * Source of chance, from 0 to 1.
   *
   * @default Math.random
   */
  readonly random?: () => number
}

/** A visitor in the shop. */
interface Shopper {
  readonly visitor: Visitor
  /** A request is under way. */
  busy: boolean
  registered: boolean
  /** Server that had acknowledged the login which the latest look did not find; `undefined`: not lost. */
  lostAt: string | undefined
  /** Not before this instant does the visitor log in (again). */
  loginAt: number
}

const TICK_INTERVAL = 20

/** Items after which a visitor logs out and starts over, so that carts stay as small as people's. */
const CART_LIMIT = 30

/**
 * Creates traffic of no visitors yet.
 *
 * @param getShopUrl Address of the shop, asked anew for every request.
 */
export function createTraffic(getShopUrl: () => string, options: TrafficOptions = {}): Traffic {
  const { now = Date.now, random = Math.random } = options
  const run = random().toString(36).slice(2, 8)
  const loginPace = createPace(2, 50)
  const shoppers: Shopper[] = []
  const counts = { lost: 0, crossUser: 0, requests: 0, failed: 0 }
  let rate = 0
  let arrivals = 0
  let turn = 0
  let budget = 0
  let tickedAt = now()
  const timer = setInterval(tick, TICK_INTERVAL).unref()

  function count(answer: Answer | undefined): void {
    counts.requests++
    if (!answer || answer.status >= 500) counts.failed++
  }

  function arrive(): Shopper {
    const username = `visitor-${run}-${++arrivals}`
    const visitor = createVisitor(getShopUrl, { username, onAnswer: count })
    return { visitor, busy: false, registered: false, lostAt: undefined, loginAt: now() }
  }

  /** Gives requests to idle visitors in turn. What finds all of them busy is not made up for later. */
  function tick(): void {
    budget = Math.min(budget + (rate * (now() - tickedAt)) / 1_000, Math.max(1, rate / 10))
    tickedAt = now()
    for (let idle = shoppers.length; budget >= 1 && idle > 0; idle--) {
      const shopper = shoppers[++turn % shoppers.length]
      if (!shopper || shopper.busy) continue
      budget--
      shopper.busy = true
      void step(shopper).finally(() => {
        shopper.busy = false
      })
    }
  }

  async function step(shopper: Shopper): Promise<void> {
    const { visitor } = shopper
    if (random() < 0.01) await visitor.reconnect()
    if (!visitor.loggedIn && now() >= shopper.loginAt) return loginPace(() => enter(shopper))
    const choice = random()
    if (choice < 0.35) await look(shopper)
    else if (choice < 0.5) await visitor.request('GET', '/')
    else if (choice < 0.65) await visitor.request('GET', '/static/shop.css')
    else if (choice < 0.8) inspect(await visitor.cart())
    else if (visitor.items.size < CART_LIMIT) inspect(await visitor.addItem())
    else await visitor.logout()
  }

  /** Registers or logs in. What fails is tried the other way the next time: the shop may know more, or less, by then. */
  async function enter(shopper: Shopper): Promise<void> {
    const { visitor } = shopper
    if (await (shopper.registered ? visitor.login() : visitor.register())) {
      shopper.registered = true
      shopper.lostAt = undefined
    } else {
      shopper.registered = !shopper.registered
      shopper.loginAt = now() + 1_000 + random() * 2_000
    }
  }

  async function look(shopper: Shopper): Promise<void> {
    const { visitor } = shopper
    const { loginServer } = visitor
    const sight = await visitor.me()
    if (sight === 'crossed') counts.crossUser++
    if (sight !== 'stranger' || !visitor.loggedIn) return
    counts.lost++
    shopper.lostAt = loginServer ?? 'unknown'
    // People notice after a moment. It also keeps a strategy that loses everybody from hashing passwords all day.
    shopper.loginAt = now() + 1_000 + random() * 3_000
    visitor.forget()
  }

  function inspect({ foreign }: { readonly foreign: readonly string[] }): void {
    if (foreign.length > 0) counts.crossUser++
  }

  return {
    set(settings) {
      checkBounds(settings)
      rate = settings.rate
      while (shoppers.length < settings.visitors) shoppers.push(arrive())
      for (const { visitor } of shoppers.splice(settings.visitors)) void visitor.close()
    },
    state() {
      const lost = shoppers.filter(({ lostAt }) => lostAt !== undefined)
      const kept = shoppers.filter(({ visitor }) => visitor.loggedIn).length
      const lostByServer: Record<string, number> = {}
      for (const { lostAt = '' } of lost) lostByServer[lostAt] = (lostByServer[lostAt] ?? 0) + 1
      return { visitors: shoppers.length, rate, loggedIn: kept + lost.length, kept, lostByServer, ...counts }
    },
    async close() {
      clearInterval(timer)
      await Promise.all(shoppers.splice(0).map(({ visitor }) => visitor.close()))
    },
  }
}

function checkBounds({ visitors, rate }: TrafficSettings): void {
  if (!Number.isInteger(visitors) || visitors < 0 || visitors > MAX_VISITORS) {
    throw new RangeError(
      `Cannot set traffic as visitors must be an integer from 0 to ${MAX_VISITORS}: received ${visitors}`,
    )
  }
  if (!(rate >= 0 && rate <= MAX_RATE)) {
    throw new RangeError(`Cannot set traffic as rate must be from 0 to ${MAX_RATE}: received ${rate}`)
  }
}
