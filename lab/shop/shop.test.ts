import { createHash } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { startShop } from './testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }

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

  it("leaves a login alone that a late request with the visitor's id crosses", async () => {
    const { open } = await startShop()
    const browser = open()
    await browser.get('/')
    const cookie = `session=${browser.session}`
    await browser.post('/register', ada)

    const late = await open().get('/', { cookie })
    const change = await open().request('POST', '/cart', {
      headers: { cookie, 'content-type': 'application/json' },
      body: '{"item":"fedora"}',
    })

    expect(late.status).toBe(200)
    expect(late.headers.getSetCookie()).toEqual([])
    expect(change.status).toBe(409)
    expect(change.headers.getSetCookie()).toEqual([])
    expect((await browser.get('/me')).status).toBe(200)
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

    expect(answers.map(({ status }) => status)).toEqual([200, 200, 200, 404, 403, 200])
    expect(answers.flatMap(({ headers }) => headers.getSetCookie())).toEqual([])
    expect(answers[0]?.headers.get('cache-control')).toBe('public, max-age=3600')
    expect(answers[2]?.headers.get('content-type')).toContain('image/svg+xml')
    expect(store.calls).toBe(0)
  })
})
