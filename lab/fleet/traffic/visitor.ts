/**
 * A virtual visitor: a browser that keeps its own account of what the shop acknowledged, and of what it then sees.
 *
 * A request without an answer may or may not have taken effect: it is never counted as lost.
 *
 * @module
 */

import {
  type Answer,
  type Browser,
  type BrowserOptions,
  createBrowser,
  type RequestOptions,
} from './browser.ts'
import { createTokenHolder, type HeldTokens } from './token-holder.ts'

/**
 * How an answer of `GET /me` sees the visitor.
 *
 * `known`: as itself; `stranger`: as nobody; `crossed`: as somebody else; `unclear`: there was no such answer.
 */
export type Sight = 'known' | 'stranger' | 'crossed' | 'unclear'

/** What an answer that lists the cart showed. */
export interface CartSight {
  /** `undefined`: no answer came. */
  readonly answer: Answer | undefined
  /** Items that had been acknowledged before the request began and that the answer does not list. */
  readonly missing: readonly string[]
  /** Items that the answer lists twice. */
  readonly doubled: readonly string[]
  /** Items in the answer that another visitor put into its cart. */
  readonly foreign: readonly string[]
}

/** A virtual visitor. */
export interface Visitor extends Browser {
  readonly username: string
  /** Whether a login was acknowledged and neither a logout nor {@link Visitor.forget} came after it. */
  readonly loggedIn: boolean
  /** Server that acknowledged the latest login; `undefined` while logged out. */
  readonly loginServer: string | undefined
  /** Cart items acknowledged since the account was last cleared. */
  readonly items: ReadonlySet<string>
  /** Tokens of a visitor that shows them, as soon as it has looked; `undefined` while logged out. */
  readonly tokens: HeldTokens | undefined
  /** Creates the visitor's user, who is then logged in. Resolves to whether the shop said yes. */
  register(options?: RequestOptions): Promise<boolean>
  /** Resolves to whether the login was acknowledged. */
  login(options?: RequestOptions): Promise<boolean>
  /** Looks who it is. One with `bearer` shows its token, unless it is given a cookie to show. */
  me(options?: RequestOptions): Promise<Sight>
  /** Puts an item that no other visitor has into the cart. */
  addItem(options?: RequestOptions): Promise<CartSight>
  cart(options?: RequestOptions): Promise<CartSight>
  /** Resolves to the answer, 204 when the logout was acknowledged. The account is cleared at once. */
  logout(options?: RequestOptions): Promise<Answer | undefined>
  /** Clears the account: nothing that was acknowledged so far is expected any more. */
  forget(): void
}

/** Options of {@link createVisitor}. */
export interface VisitorOptions extends BrowserOptions {
  /** Name of the user that {@link Visitor.register} creates. */
  readonly username: string
  /**
   * What it shows at `GET /me`: its cookies, or a token that it gets in exchange for its login.
   *
   * @default 'cookie'
   */
  readonly credentials?: 'cookie' | 'bearer' | undefined
}

const PASSWORD = 'a long password of a virtual visitor'

/**
 * Creates a visitor that has never been to the shop.
 *
 * @param getOrigin Address that each request goes to, asked anew for every one.
 */
export function createVisitor(getOrigin: () => string, options: VisitorOptions): Visitor {
  const { username, credentials = 'cookie' } = options
  const browser = createBrowser(getOrigin, options)
  const tokens = createTokenHolder(browser)
  const items = new Set<string>()
  let loginServer: string | undefined
  let loggedIn = false
  let itemCount = 0

  function forget(): void {
    items.clear()
    tokens.forget()
    loggedIn = false
    loginServer = undefined
  }

  async function enter(path: '/register' | '/login', options?: RequestOptions): Promise<boolean> {
    const body = { username, password: PASSWORD }
    const answer = await browser.request('POST', path, { ...options, body })
    if (answer?.status === 200) {
      // Those of an earlier login ended with it.
      tokens.forget()
      loggedIn = true
      loginServer = answer.server
      return true
    }
    // Without a clear answer, the session may have been replaced by one whose cookie never arrived.
    if (!answer || answer.status >= 500) forget()
    return false
  }

  async function look(asking: Promise<Answer | undefined>): Promise<CartSight> {
    const expected = [...items]
    const answer = await asking
    const cart = answer?.status === 200 ? readCart(answer.body) : undefined
    if (!cart) return { answer, missing: [], doubled: [], foreign: [] }
    const seen = new Set(cart)
    return {
      answer,
      // What was forgotten while the request was under way is no longer expected.
      missing: expected.filter((item) => items.has(item) && !seen.has(item)),
      doubled: cart.filter((item, index) => cart.indexOf(item) !== index),
      foreign: cart.filter((item) => !item.startsWith(`${username}#`)),
    }
  }

  return {
    ...browser,
    username,
    items,
    get loggedIn() {
      return loggedIn
    },
    get tokens() {
      return tokens.held
    },
    get loginServer() {
      return loginServer
    },
    register: (options) => enter('/register', options),
    login: (options) => enter('/login', options),
    async me(options) {
      // Without a login there is nothing to exchange: it is a stranger like any other.
      const byToken = credentials === 'bearer' && loggedIn && options?.cookie === undefined
      const answer = await (byToken ? tokens : browser).request('GET', '/me', options)
      if (answer?.status === 401) return 'stranger'
      if (answer?.status !== 200) return 'unclear'
      return readUsername(answer.body) === username ? 'known' : 'crossed'
    },
    async addItem(options) {
      const item = `${username}#${++itemCount}`
      const sight = await look(browser.request('POST', '/cart', { ...options, body: { item } }))
      if (sight.answer?.status !== 200) return sight
      items.add(item)
      // Worst of all: not even in the answer that acknowledges it.
      const listed = readCart(sight.answer.body)?.includes(item)
      return listed ? sight : { ...sight, missing: [...sight.missing, item] }
    },
    cart: (options) => look(browser.request('GET', '/cart', options)),
    logout(options) {
      forget()
      return browser.request('POST', '/logout', options)
    },
    forget,
  }
}

/** Reads the cart of `{"cart": [...]}`; `undefined` when an answer has none. */
export function readCart(body: unknown): string[] | undefined {
  const { cart } = (body ?? {}) as { cart?: unknown }
  return Array.isArray(cart) ? cart.map(String) : undefined
}

/** Reads the session's handle of an answer of `GET /me`; `undefined` when it has none. */
export function readHandle(body: unknown): string | undefined {
  const { session } = (body ?? {}) as { session?: { handle?: string } }
  return session?.handle
}

/** Reads the user's name of an answer; `undefined` when it names nobody. */
export function readUsername(body: unknown): string | undefined {
  const { user } = (body ?? {}) as { user?: { username?: string } }
  return user?.username
}
