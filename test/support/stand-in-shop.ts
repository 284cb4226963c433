/**
 * A shop of a few lines that breaks exactly one promise: experiments must see it.
 *
 * A real server breaks a promise too seldom to show that an experiment would notice.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Fleet } from '../../lab/fleet/protocol.ts'

/** The promise to break. */
export type ShopFault =
  /** Adds to the cart by reading, waiting and writing. */
  | 'lost-update'
  /** A request that began before the logout stores the session again when it ends. */
  | 'revival'
  /** A login keeps the visitor's id. */
  | 'fixation'
  /** A stranger's answer overwrites the cookie of a login. */
  | 'eager-cookie'
  /** `/me` sometimes names the user that asked before. */
  | 'crossed-users'
  /** One of three requests knows nobody. */
  | 'forgetful'
  /** Says yes to an item for a session that was ended meanwhile. */
  | 'empty-yes'
  /** Every tenth acknowledged cart item is not stored. */
  | 'lying'

/** A shop in this process. */
export interface StandInShop {
  readonly url: string
  /** A fleet of this shop alone, on a strategy of any name. Nothing can be done to it. */
  fleet(strategy: string): Fleet
  close(): Promise<void>
}

interface StoredSession {
  username: string | undefined
  cart: string[]
}

/** Starts a shop without faults, or with one. */
export async function startStandInShop(fault?: ShopFault): Promise<StandInShop> {
  const sessions = new Map<string, StoredSession>()
  /** Ids of visitors that a login has replaced. */
  const superseded = new Set<string>()
  let previous: string | undefined
  let requests = 0

  const server = createServer((request, response) => {
    answer(request, response).catch(() => response.writeHead(500).end())
  })

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request)
    requests++
    response.setHeader('X-Served-By', 'ABC'[requests % 3] ?? '')
    const id = /session=([\w-]+)/.exec(request.headers.cookie ?? '')?.[1] ?? ''
    const session = fault === 'forgetful' && requests % 3 === 0 ? undefined : sessions.get(id)
    await delay(Math.random() * 4)
    const route = `${request.method} ${request.url}`
    if (route === 'POST /register' || route === 'POST /login') logIn(response, id, session, body)
    else if (route === 'GET /me') showUser(response, id, session)
    else if (route === 'POST /cart') await addItem(response, id, session, String(body['item']))
    else if (route === 'POST /logout') end(response, id)
    else if (route.startsWith('DELETE /sessions/')) end(response, route.slice('DELETE /sessions/'.length))
    else reply(response, 200, { cart: session?.cart ?? [] })
  }

  function end(response: ServerResponse, id: string): void {
    sessions.delete(id)
    reply(response, 204)
  }

  function logIn(response: ServerResponse, id: string, session: StoredSession | undefined, body: Body): void {
    const username = String(body['username'])
    const next = { username, cart: session?.cart ?? [] }
    if (fault === 'fixation' && session) {
      start(response, next, id)
    } else if (session?.username === username) {
      // The same user: the old id stays good for those who never read this answer.
      start(response, session)
    } else {
      if (sessions.delete(id)) superseded.add(id)
      start(response, next)
    }
    reply(response, 200, { user: { id: username, username } })
  }

  function showUser(response: ServerResponse, id: string, session: StoredSession | undefined): void {
    if (!session?.username) {
      if (fault === 'eager-cookie' && id) start(response, { username: undefined, cart: [] })
      reply(response, 401, {})
      return
    }
    const username =
      fault === 'crossed-users' && requests % 20 === 0 ? (previous ?? session.username) : session.username
    previous = session.username
    reply(response, 200, { user: { id: username, username }, session: { handle: id } })
  }

  async function addItem(
    response: ServerResponse,
    id: string,
    session: StoredSession | undefined,
    item: string,
  ): Promise<void> {
    if (superseded.has(id) && fault !== 'eager-cookie') {
      reply(response, 409, {})
      return
    }
    if (session && fault === 'lost-update') {
      const cart = [...session.cart, item]
      await delay(1)
      session.cart = cart
    } else if (fault !== 'lying' || requests % 10 !== 0) {
      session?.cart.push(item)
    }
    if (session && fault === 'empty-yes' && !sessions.has(id)) {
      reply(response, 200, { cart: [] })
      return
    }
    if (session && fault === 'revival') sessions.set(id, session)
    const cart = session && sessions.has(id) ? [...new Set([...session.cart, item])] : [item]
    if (!session || !sessions.has(id)) start(response, { username: undefined, cart })
    reply(response, 200, { cart })
  }

  function start(
    response: ServerResponse,
    session: StoredSession,
    id = randomBytes(16).toString('hex'),
  ): void {
    sessions.set(id, session)
    response.setHeader('Set-Cookie', `session=${id}; Path=/; HttpOnly; SameSite=Lax`)
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    fleet: (strategy) => createFleet(url, strategy),
    async close() {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

type Body = Readonly<Record<string, unknown>>

async function readBody(request: IncomingMessage): Promise<Body> {
  let text = ''
  for await (const chunk of request) text += String(chunk)
  return text ? (JSON.parse(text) as Body) : {}
}

function reply(response: ServerResponse, status: number, body?: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json' })
  response.end(body && JSON.stringify(body))
}

function createFleet(shop: string, strategy: string): Fleet {
  const server = { id: 'A', url: shop, status: 'ready', active: 0 }
  const impossible = async () => Promise.reject(new Error('Nothing can be done to a stand-in'))
  return {
    shop,
    strategy,
    state: () =>
      ({ strategy, routing: 'random', shop, servers: [server], engines: [] }) as unknown as ReturnType<
        Fleet['state']
      >,
    act: impossible,
    actOnEngine: impossible,
    switchStrategy: impossible,
    setTraffic() {},
    subscribe: () => () => {},
    async close() {},
  }
}
