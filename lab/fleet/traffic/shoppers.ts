/**
 * The virtual visitors of one run: who they are, what they do next, and what becomes of their logins.
 *
 * @module
 */

import type { TrafficSettings, TrafficState } from '../protocol.ts'
import type { Answer } from './browser.ts'
import { createPace } from './pace.ts'
import { createVisitor, type Visitor, type VisitorOptions } from './visitor.ts'

/** Virtual visitors with figures of their own. */
export interface Shoppers {
  /** Lets visitors come or leave, and changes their pace. */
  set(settings: TrafficSettings): void
  state(): TrafficState
  /** Everybody leaves. What is still under way is dropped and not counted. */
  close(): Promise<void>
}

/** Options of {@link createShoppers}. */
export interface ShoppersOptions {
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
  /**
   * What visitors show at `GET /me`, asked for each when it arrives.
   *
   * @default cookies
   */
  readonly getCredentials?: () => VisitorOptions['credentials']
}

/** A visitor in the shop. */
interface Shopper {
  readonly visitor: Visitor
  /** It has left, and neither logs in nor counts any more. */
  gone: boolean
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
 * Creates a run of no visitors yet.
 *
 * @param getShopUrl Address of the shop, asked anew for every request.
 */
export function createShoppers(getShopUrl: () => string, options: ShoppersOptions = {}): Shoppers {
  const { now = Date.now, random = Math.random, getCredentials } = options
  const run = random().toString(36).slice(2, 8)
  const loginPace = createPace(2, 50)
  const shoppers: Shopper[] = []
  const counts = { lost: 0, crossUser: 0, requests: 0, failed: 0 }
  let rate = 0
  let arrivals = 0
  let budget = 0
  let tickedAt = now()
  const timer = setInterval(tick, TICK_INTERVAL).unref()

  function count(answer: Answer | undefined): void {
    counts.requests++
    if (!answer || answer.status >= 500) counts.failed++
  }

  function arrive(): Shopper {
    const username = `visitor-${run}-${++arrivals}`
    const onAnswer = (answer: Answer | undefined) => {
      if (!shopper.gone) count(answer)
    }
    const visitor = createVisitor(getShopUrl, { username, onAnswer, credentials: getCredentials?.() })
    const shopper: Shopper = {
      visitor,
      gone: false,
      busy: false,
      registered: false,
      lostAt: undefined,
      loginAt: now(),
    }
    return shopper
  }

  async function leave(leaving: readonly Shopper[]): Promise<void> {
    for (const shopper of leaving) shopper.gone = true
    await Promise.all(leaving.map(({ visitor }) => visitor.close()))
  }

  /**
   * Gives requests to idle visitors, drawn by lot. What finds all of them busy is not made up for later.
   *
   * Taken in turn, each visitor would reach one and the same server of a balancer that takes its servers in turn.
   */
  function tick(): void {
    budget = Math.min(budget + (rate * (now() - tickedAt)) / 1_000, Math.max(1, rate / 10))
    tickedAt = now()
    const idle = shoppers.filter(({ busy }) => !busy)
    while (budget >= 1 && idle.length) {
      const [shopper] = idle.splice(Math.floor(random() * idle.length), 1)
      if (!shopper) return
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
    // It may have left while it waited for its turn.
    if (shopper.gone) return
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
      rate = settings.rate
      while (shoppers.length < settings.visitors) shoppers.push(arrive())
      void leave(shoppers.splice(settings.visitors))
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
      await leave(shoppers.splice(0))
    },
  }
}
