import { describe, expect, it } from 'vitest'
import { startShop } from './testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }

describe('createShop() while the store is away', () => {
  it('answers 503 with Retry-After, in JSON or as a page, and leaves the cookie alone', async () => {
    const { open, store, errors } = await startShop()
    const browser = open()
    await browser.post('/register', ada)
    store.down = true

    const answers = [
      await browser.get('/me'),
      await browser.get('/cart'),
      await browser.post('/cart', { item: 'fedora' }),
      await browser.post('/login', ada),
      await browser.post('/logout'),
      await browser.request('DELETE', '/sessions'),
    ]
    const page = await browser.submit('/cart', { item: 'fedora' })

    for (const answer of [...answers, page]) {
      expect(answer.status).toBe(503)
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
      expect(answer.headers.getSetCookie()).toEqual([])
    }
    expect(await answers[0]?.json()).toMatchObject({ error: { code: 'ERR_STORE_UNAVAILABLE' } })
    expect(page.headers.get('content-type')).toContain('text/html')
    expect(errors).toEqual([])
  })

  it('goes on with the shop window, and says what is missing', async () => {
    const { open, store } = await startShop()
    const browser = open({ 'accept-language': 'en' })
    await browser.post('/register', ada)
    store.down = true

    const known = await browser.get('/')
    const stranger = await open().get('/')

    for (const answer of [known, stranger]) {
      expect(answer.status).toBe(200)
      expect(answer.headers.getSetCookie()).toEqual([])
      expect(await answer.text()).toContain('We cannot reach our session store right now')
    }
  })

  it('knows the user again when the store is back', async () => {
    const { open, store } = await startShop({ sessions: { storeTimeout: '100ms' } })
    const browser = open()
    await browser.post('/register', ada)
    store.down = true
    await browser.get('/')
    store.down = false

    const statuses: number[] = []
    for (let attempt = 0; attempt < 40 && statuses.at(-1) !== 200; attempt += 1) {
      statuses.push((await browser.get('/me')).status)
      await new Promise((resolve) => setTimeout(resolve, 25))
    }

    expect(statuses.at(-1)).toBe(200)
    expect(new Set(statuses).has(401)).toBe(false)
  })

  it('creates no account without the login that belongs to it', async () => {
    const { open, store, database } = await startShop()
    store.down = true
    const browser = open()
    // A stranger's session is not read from the store, so this one comes with a cookie.
    const answer = await browser.request('POST', '/register', {
      headers: { cookie: `session=${'A'.repeat(43)}`, 'content-type': 'application/json' },
      body: JSON.stringify(ada),
    })

    expect(answer.status).toBe(503)
    expect(database.prepare('SELECT id FROM shop_users').all()).toEqual([])
  })

  it("answers 503 while the users' database is unusable, and still shows the window", async () => {
    const { open, database, errors } = await startShop()
    const browser = open()
    await browser.get('/')
    database.exec('ALTER TABLE shop_users RENAME TO hidden')

    const login = await browser.post('/login', ada)
    const home = await browser.get('/')

    expect(login.status).toBe(503)
    expect(await login.json()).toMatchObject({ error: { code: 'ERR_USERS_UNAVAILABLE' } })
    expect(home.status).toBe(200)
    expect(errors).toEqual([])
  })
})
