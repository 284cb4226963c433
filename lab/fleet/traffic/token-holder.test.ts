import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { createTokenHolder } from './token-holder.ts'
import { createVisitor } from './visitor.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).toReversed()) await cleanup()
})

/** A shop that knows one login by its cookie, and what was shown to it. */
async function startTokenShop() {
  const shop = {
    url: '',
    expiresIn: 300,
    /** Token that `/me` accepts. */
    good: 0,
    issued: 0,
    /** Whether the login is over. */
    isOver: false,
    seen: [] as string[],
  }
  const server = createServer((request, response) => {
    const { authorization, cookie } = request.headers
    const route = `${request.method} ${request.url}`
    shop.seen.push([route, authorization, cookie].filter((part) => part !== undefined).join(' | '))
    const answer = (status: number, body: object) => {
      response.writeHead(status, { 'content-type': 'application/json', 'x-served-by': 'A' })
      response.end(JSON.stringify(body))
    }
    request.resume().on('end', () => {
      if (route === 'POST /register') {
        response.setHeader('set-cookie', 'session=ada; Path=/')
        answer(200, {})
      } else if (route === 'POST /logout') answer(204, {})
      else if (shop.isOver) answer(401, {})
      else if (route.startsWith('POST /token')) {
        shop.good = ++shop.issued
        const { expiresIn } = shop
        answer(200, { accessToken: `t${shop.good}`, refreshToken: `r${shop.good}`, expiresIn })
      } else if (authorization === `Bearer t${shop.good}`) answer(200, { user: { username: 'ada' } })
      else answer(401, {})
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  shop.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return shop
}

async function visit() {
  const shop = await startTokenShop()
  const visitor = createVisitor(() => shop.url, { username: 'ada', credentials: 'bearer' })
  cleanups.push(() => visitor.close())
  await visitor.register()
  shop.seen = []
  return { shop, visitor }
}

describe('a visitor with bearer tokens', () => {
  it('exchanges its login once, and then shows its token alone', async () => {
    const { shop, visitor } = await visit()

    const sights = [await visitor.me(), await visitor.me()]

    expect(sights).toEqual(['known', 'known'])
    expect(shop.seen).toEqual(['POST /token | session=ada', 'GET /me | Bearer t1', 'GET /me | Bearer t1'])
  })

  it('goes on using cookies for its cart', async () => {
    const { shop, visitor } = await visit()
    await visitor.me()

    await visitor.cart()

    expect(shop.seen.at(-1)).toBe('GET /cart | session=ada')
  })

  it('refreshes a token that is about to expire before it shows it', async () => {
    const { shop, visitor } = await visit()
    shop.expiresIn = 0
    await visitor.me()
    shop.expiresIn = 300
    shop.seen = []

    const sight = await visitor.me()

    expect(sight).toBe('known')
    expect(shop.seen).toEqual(['POST /token/refresh | session=ada', 'GET /me | Bearer t2'])
  })

  it('refreshes a token that is refused, once for all requests that show it', async () => {
    const { shop, visitor } = await visit()
    await visitor.me()
    shop.good = -1
    shop.seen = []

    const sights = await Promise.all([visitor.me(), visitor.me(), visitor.me()])

    expect(sights).toEqual(['known', 'known', 'known'])
    expect(shop.seen.filter((entry) => entry.startsWith('POST'))).toHaveLength(1)
  })

  it('is a stranger when the shop has ended its login', async () => {
    const { shop, visitor } = await visit()
    await visitor.me()
    shop.isOver = true

    const sight = await visitor.me()

    expect(sight).toBe('stranger')
    expect(visitor.tokens).toBeUndefined()
  })

  it('shows no token after its logout, though the shop would take it', async () => {
    const { shop, visitor } = await visit()
    await visitor.me()

    await visitor.logout()
    const sight = await visitor.me()

    expect(sight).toBe('stranger')
    expect(visitor.tokens).toBeUndefined()
    expect(shop.seen.at(-1)).toBe('GET /me | session=ada')
  })

  it('shows the cookie that it is told to show', async () => {
    const { shop, visitor } = await visit()

    await visitor.me({ cookie: 'session=bob' })

    expect(shop.seen).toEqual(['GET /me | session=bob'])
  })
})

describe('createTokenHolder()', () => {
  it('keeps nothing that arrives after a logout', async () => {
    const answered: (() => void)[] = []
    const body = { accessToken: 't', refreshToken: 'r', expiresIn: 300 }
    const answer = { status: 200, body, server: 'A', retryAfter: undefined, startedAt: 0, endedAt: 0 }
    const holder = createTokenHolder({
      request: () => new Promise((resolve) => answered.push(() => resolve(answer))),
    })
    const asking = holder.request('GET', '/me')

    holder.forget()
    answered[0]?.()
    await asking

    expect(holder.held).toBeUndefined()
    expect(answered).toHaveLength(1)
  })
})
