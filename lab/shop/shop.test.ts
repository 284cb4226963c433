import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startShop } from './testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }
const bob = { username: 'bob', password: 'staple staple staple' }

describe('createShop()', () => {
  it('gives a visitor a session at the first visit and keeps it at the next', async () => {
    const { open } = await startShop()
    const browser = open()

    const first = await browser.get('/')
    const second = await browser.get('/')

    expect(first.status).toBe(200)
    expect(first.headers.get('content-type')).toContain('text/html')
    expect(first.headers.getSetCookie()).toHaveLength(1)
    expect(first.headers.getSetCookie()[0]).toMatch(/^session=[\w-]{43};.*HttpOnly/i)
    expect(second.headers.getSetCookie()).toEqual([])
  })

  it('keeps the cart of a visitor through registration and knows the user from then on', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')
    const before = browser.session
    await browser.post('/cart', { item: 'fedora' })

    const registered = await browser.post('/register', ada)
    const me = await browser.get('/me')
    const cart = await browser.get('/cart')

    expect(registered.status).toBe(200)
    const { user } = (await registered.json()) as { user: { id: string } }
    expect(user).toEqual({ id: expect.any(String), username: 'ada' })
    expect(browser.session).not.toBe(before)
    expect(await me.json()).toEqual({
      user,
      session: {
        handle: createHash('sha256').update(String(browser.session)).digest('base64url'),
        createdAt: expect.any(Number),
        lastSeenAt: expect.any(Number),
      },
    })
    expect(await cart.json()).toEqual({ cart: ['fedora'] })
  })

  it('logs in by JSON and by form, and answers a form without a browser in JSON', async () => {
    const { open } = await startShop()
    await open().post('/register', ada)

    const byJson = await open().post('/login', { username: 'ADA', password: ada.password })
    const byForm = await open().request('POST', '/login', { body: new URLSearchParams(ada) })

    expect(byJson.status).toBe(200)
    expect(byForm.status).toBe(200)
    expect(await byForm.json()).toEqual(await byJson.json())
  })

  it('outlives the browser only when asked to remember', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.post('/register', ada)

    const plain = await open().post('/login', ada)
    const remembered = await open().post('/login', { ...ada, remember: true })

    expect(plain.headers.getSetCookie()[0]).not.toMatch(/max-age/i)
    expect(remembered.headers.getSetCookie()[0]).toMatch(/max-age=\d+/i)
  })

  it('refuses a wrong password and an unknown user in the same words', async () => {
    const { open } = await startShop()
    await open().post('/register', ada)

    const wrong = await open().post('/login', { ...ada, password: bob.password })
    const unknown = await open().post('/login', bob)

    expect(wrong.status).toBe(401)
    expect(unknown.status).toBe(401)
    const refusal = await wrong.json()
    expect(refusal).toEqual({ error: { code: 'ERR_WRONG_CREDENTIALS', message: expect.any(String) } })
    expect(await unknown.json()).toEqual(refusal)
    expect(wrong.headers.getSetCookie()).toEqual([])
  })

  it('answers 429 with Retry-After after too many failed tries, also to the right password', async () => {
    const { open } = await startShop({ users: { userLimit: 3, interval: 60_000 } })
    await open().post('/register', ada)
    for (let guess = 0; guess < 3; guess += 1) {
      expect((await open().post('/login', { ...ada, password: 'wrong guess' })).status).toBe(401)
    }

    const refused = await open().post('/login', ada)

    expect(refused.status).toBe(429)
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(50)
    expect(Number(refused.headers.get('retry-after'))).toBeLessThanOrEqual(60)
    expect(await refused.json()).toMatchObject({ error: { code: 'ERR_TOO_MANY_TRIES' } })
  })

  it('counts tries by the address that the proxy on loopback names', async () => {
    const { open } = await startShop({ users: { addressLimit: 1 } })
    await open().post('/register', ada)
    const guesser = open({ 'x-forwarded-for': '198.51.100.9' })
    await guesser.post('/login', bob)

    const refused = await guesser.post('/login', ada)
    const welcome = await open({ 'x-forwarded-for': '192.0.2.1' }).post('/login', ada)

    expect(refused.status).toBe(429)
    expect(welcome.status).toBe(200)
  })

  it('never counts logins that succeed', async () => {
    const { open } = await startShop({ users: { userLimit: 2, addressLimit: 2 } })
    await open().post('/register', ada)

    const statuses: number[] = []
    for (let login = 0; login < 5; login += 1) statuses.push((await open().post('/login', ada)).status)

    expect(statuses).toEqual([200, 200, 200, 200, 200])
  })

  it('says 401 to whoever is not logged in', async () => {
    const { open } = await startShop()
    const visitor = open()
    await visitor.get('/')

    const answers = await Promise.all([
      visitor.get('/me'),
      visitor.get('/sessions'),
      visitor.request('DELETE', '/sessions'),
      visitor.request('DELETE', '/sessions/x'),
    ])

    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 401])
  })

  it('takes a forged, well-formed session id for a stranger and never adopts it', async () => {
    const { open } = await startShop()
    const forged = 'A'.repeat(43)
    const attacker = open({ cookie: `session=${forged}` })

    const me = await attacker.get('/me')
    const home = await attacker.get('/')

    expect(me.status).toBe(401)
    expect(home.status).toBe(200)
    expect(home.headers.getSetCookie().join()).not.toContain(forged)
    expect(attacker.session).toMatch(/^[\w-]{43}$/)
  })

  it('ends a session at logout for every later use of its cookie', async () => {
    const { open, url } = await startShop()
    const browser = open()
    await browser.post('/register', ada)
    const stolen = browser.session

    const logout = await browser.post('/logout')
    const me = await browser.get('/me')
    const replay = await fetch(`${url}/me`, { headers: { cookie: `session=${stolen}` } })

    expect(logout.status).toBe(204)
    expect(browser.session).toBeUndefined()
    expect(me.status).toBe(401)
    expect(replay.status).toBe(401)
  })

  it("lists a user's sessions with device and last use, and marks the one that asks", async () => {
    const { open } = await startShop()
    const laptop = open({ 'user-agent': 'Laptop' })
    const phone = open({ 'user-agent': 'Phone' })
    await laptop.post('/register', ada)
    await phone.post('/login', ada)

    const list = await phone.get('/sessions')

    const { sessions } = (await list.json()) as {
      sessions: { current: boolean; device: object; handle: string }[]
    }
    expect(sessions).toHaveLength(2)
    expect(sessions.find(({ current }) => current)).toMatchObject({
      device: { userAgent: 'Phone', address: '127.0.0.1' },
      createdAt: expect.any(Number),
      lastSeenAt: expect.any(Number),
    })
    expect(sessions.find(({ current }) => !current)).toMatchObject({ device: { userAgent: 'Laptop' } })
  })

  it('revokes one session, and all others', async () => {
    const { open } = await startShop()
    const [laptop, phone, tablet] = [open(), open(), open()]
    await laptop.post('/register', ada)
    await phone.post('/login', ada)
    await tablet.post('/login', ada)
    const { session } = (await (await phone.get('/me')).json()) as { session: { handle: string } }

    const one = await laptop.request('DELETE', `/sessions/${session.handle}`)
    const afterOne = [await phone.get('/me'), await tablet.get('/me')]
    const others = await laptop.request('DELETE', '/sessions')
    const afterOthers = [await laptop.get('/me'), await tablet.get('/me')]

    expect(one.status).toBe(204)
    expect(afterOne.map(({ status }) => status)).toEqual([401, 200])
    expect(others.status).toBe(204)
    expect(afterOthers.map(({ status }) => status)).toEqual([200, 401])
  })

  it("cannot revoke somebody else's session", async () => {
    const { open } = await startShop()
    const [mine, theirs] = [open(), open()]
    await mine.post('/register', ada)
    await theirs.post('/register', bob)
    const { session } = (await (await theirs.get('/me')).json()) as { session: { handle: string } }

    const refused = await mine.request('DELETE', `/sessions/${session.handle}`)

    expect(refused.status).toBe(404)
    expect((await theirs.get('/me')).status).toBe(200)
  })

  it('logs out whoever revokes the session they ask with', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.post('/register', ada)
    const { session } = (await (await browser.get('/me')).json()) as { session: { handle: string } }

    const answer = await browser.request('DELETE', `/sessions/${session.handle}`)

    expect(answer.status).toBe(204)
    expect(browser.session).toBeUndefined()
  })

  it('loses no item of parallel additions, and removes one at a time', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')

    await Promise.all(
      Array.from({ length: 30 }, (_, index) => browser.post('/cart', { item: `item ${index % 3}` })),
    )
    const removed = await browser.post('/cart/remove', { item: 'item 0' })

    const { cart } = (await removed.json()) as { cart: string[] }
    expect(cart).toHaveLength(29)
    expect(cart.filter((item) => item === 'item 0')).toHaveLength(9)
  })

  it('refuses what is no item, no user name or no password, in words', async () => {
    const { open } = await startShop()
    const browser = open()

    const refused = await Promise.all([
      browser.post('/cart', {}),
      browser.post('/cart', { item: 7 }),
      browser.post('/cart', { item: '   ' }),
      browser.post('/cart', { item: 'x'.repeat(201) }),
      browser.post('/cart', { item: 'a\u0000b' }),
      browser.post('/register', { ...ada, username: 'a' }),
      browser.post('/register', { ...ada, username: '<script>' }),
      browser.post('/register', { ...ada, username: ['ada'] }),
      browser.post('/register', { ...ada, password: 'short' }),
      browser.post('/register', { ...ada, password: 'x'.repeat(257) }),
      browser.post('/login', { username: 'ada' }),
      browser.request('POST', '/login', {
        headers: { 'content-type': 'application/json' },
        body: '{"username":',
      }),
    ])

    for (const answer of refused) {
      expect(answer.status).toBe(400)
      expect(await answer.json()).toEqual({
        error: { code: expect.any(String), message: expect.any(String) },
      })
    }
    expect(browser.session).toBeUndefined()
  })

  it('takes a name once and says so', async () => {
    const { open } = await startShop()
    await open().post('/register', ada)

    const again = await open().post('/register', { ...ada, username: 'Ada' })

    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({ error: { code: 'ERR_USERNAME_TAKEN' } })
  })

  it('keeps a full cart as it is and says so', async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')
    for (let batch = 0; batch < 10; batch += 1) {
      await Promise.all(Array.from({ length: 100 }, () => browser.post('/cart', { item: 'fedora' })))
    }

    const refused = await browser.post('/cart', { item: 'raincoat' })

    expect(refused.status).toBe(400)
    expect(await refused.json()).toMatchObject({ error: { code: 'ERR_CART_FULL' } })
    const { cart } = (await (await browser.get('/cart')).json()) as { cart: string[] }
    expect(cart).toEqual(Array<string>(1_000).fill('fedora'))
  })

  it('treats a login of a user who is no more as a visit', async () => {
    const { open, database } = await startShop()
    const browser = open()
    await browser.post('/register', ada)
    database.exec('DELETE FROM shop_users')

    const me = await browser.get('/me')
    const home = await browser.get('/')

    expect(me.status).toBe(401)
    expect(home.status).toBe(200)
  })

  it('answers an unknown path with 404, as JSON or as a page', async () => {
    const { open } = await startShop()

    const json = await open().get('/nothing')
    const page = await open().get('/nothing', { accept: 'text/html' })

    expect([json.status, page.status]).toEqual([404, 404])
    expect(await json.json()).toMatchObject({ error: { code: 'ERR_NOT_FOUND' } })
    expect(await page.text()).toContain('<!doctype html>')
  })

  it('serves assets and its health without cookie and without asking the store', async () => {
    const { open, store } = await startShop()
    const browser = open()
    await browser.post('/register', ada)
    store.calls = 0

    const answers = await Promise.all([
      browser.get('/static/shop.css'),
      browser.get('/static/shop.js'),
      browser.get('/static/goods/fedora.svg'),
      browser.get('/static/nothing.css'),
      browser.get('/static/..%2fshop.ts'),
      browser.get('/healthz'),
    ])

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 404, 200])
    expect(answers.flatMap(({ headers }) => headers.getSetCookie())).toEqual([])
    expect(answers[0]?.headers.get('cache-control')).toBe('public, max-age=3600')
    expect(answers[2]?.headers.get('content-type')).toContain('image/svg+xml')
    expect(store.calls).toBe(0)
  })
})
