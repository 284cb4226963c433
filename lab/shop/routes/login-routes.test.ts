import { describe, expect, it } from 'vitest'
import { startShop } from '../testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }
const bob = { username: 'bob', password: 'staple staple staple' }

describe('createLoginRoutes()', () => {
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

  it('takes a name once and says so', async () => {
    const { open } = await startShop()
    await open().post('/register', ada)

    const again = await open().post('/register', { ...ada, username: 'Ada' })

    expect(again.status).toBe(409)
    expect(await again.json()).toMatchObject({ error: { code: 'ERR_USERNAME_TAKEN' } })
  })
})
