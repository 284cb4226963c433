import { describe, expect, it } from 'vitest'
import { startShop } from '../testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }
const page = { accept: 'text/html' }

describe('createShop() for a person with a browser', () => {
  it('leads from a form back to a page, and tells once what happened', async () => {
    const { open } = await startShop()
    const browser = open({ 'accept-language': 'en' })
    await browser.get('/')

    const added = await browser.submit('/cart', { item: 'fedora' })
    const first = await (await browser.get('/', page)).text()
    const second = await (await browser.get('/', page)).text()

    expect(added.status).toBe(303)
    expect(added.headers.get('location')).toBe('/')
    expect(first).toContain('It is in your cart.')
    expect(first).toMatch(/class="item">Fedora</)
    expect(second).not.toContain('It is in your cart.')
  })

  it('registers, shows the account, and logs out by forms alone', async () => {
    const { open } = await startShop()
    const browser = open({ 'accept-language': 'en' })

    const registered = await browser.submit('/register', ada)
    const account = await (await browser.get('/account', page)).text()
    const loggedOut = await browser.submit('/logout')
    const afterwards = await browser.get('/account', page)

    expect(registered.headers.get('location')).toBe('/')
    expect(account).toContain('Welcome! You are registered and logged in.')
    expect(account).toContain('Where you are logged in')
    expect(loggedOut.status).toBe(303)
    expect(afterwards.headers.get('location')).toBe('/login')
  })

  it('ends other sessions by buttons', async () => {
    const { open } = await startShop()
    const [laptop, phone, tablet] = [open({ 'accept-language': 'en' }), open(), open()]
    await laptop.submit('/register', ada)
    await phone.submit('/login', ada)
    await tablet.submit('/login', ada)
    const { session } = (await (await phone.get('/me')).json()) as { session: { handle: string } }

    const form = await (await laptop.get('/account', page)).text()
    const one = await laptop.submit(`/sessions/${session.handle}/revoke`)
    const others = await laptop.submit('/sessions/revoke-others')

    expect(form).toContain(`action="/sessions/${session.handle}/revoke"`)
    expect(one.headers.get('location')).toBe('/account')
    expect(others.headers.get('location')).toBe('/account')
    expect([(await phone.get('/me')).status, (await tablet.get('/me')).status]).toEqual([401, 401])
    expect(await (await laptop.get('/account', page)).text()).toContain('You are logged out everywhere else.')
  })

  it('shows a refused form again, with the name but never the password', async () => {
    const { open } = await startShop()
    const browser = open({ 'accept-language': 'en' })

    const login = await browser.submit('/login', ada)
    const register = await browser.submit('/register', { username: 'ada', password: 'short' })

    expect(login.status).toBe(401)
    const text = await login.text()
    expect(text).toContain('User name or password is wrong.')
    expect(text).toContain('value="ada"')
    expect(text).not.toContain(ada.password)
    expect(register.status).toBe(400)
    expect(await register.text()).toContain('A password has 8 to 256 characters.')
  })

  it('escapes what others have typed', async () => {
    const { open, database } = await startShop()
    const attack = `"><img src=x onerror=alert('1')>`
    const browser = open()
    await browser.submit('/register', ada)
    database.prepare('UPDATE shop_users SET username = ?').run(attack)
    await browser.post('/cart', { item: attack })
    const device = open({ 'user-agent': attack })
    await device.post('/login', ada)

    const texts = await Promise.all([
      browser.get('/', page).then((answer) => answer.text()),
      browser.get('/account', page).then((answer) => answer.text()),
      browser.submit('/login', { username: attack, password: 'x' }).then((answer) => answer.text()),
      browser.get(`/${encodeURIComponent(attack)}`, page).then((answer) => answer.text()),
    ])

    for (const text of texts) expect(text).not.toContain('<img src=x')
    expect(texts[0]).toContain('&quot;&gt;&lt;img src=x')
    expect(texts[2]).toContain('value="&quot;&gt;&lt;img src=x')
  })

  it('speaks Korean to whoever asks for it', async () => {
    const { open } = await startShop()
    const browser = open({ 'accept-language': 'ko-KR,ko;q=0.9,en;q=0.5' })

    const home = await (await browser.get('/', page)).text()
    const refused = await browser.post('/login', ada)

    expect(home).toContain('<html lang="ko"')
    expect(home).toContain('트렌치코트')
    expect(home).toContain('장바구니')
    expect(await refused.json()).toMatchObject({
      error: { message: '사용자 이름 또는 비밀번호가 올바르지 않습니다.' },
    })
  })

  it('keeps language and theme in a cookie that is no session, without asking the store', async () => {
    const { open, store } = await startShop()
    const browser = open({ 'accept-language': 'en' })

    const language = await browser.submit('/preferences', { language: 'ko', back: '/login' })
    const theme = await browser.submit('/preferences', { theme: 'dark', back: 'https://evil.example/' })
    const login = await (await browser.get('/login', page)).text()

    expect(language.headers.get('location')).toBe('/login')
    expect(theme.headers.get('location')).toBe('/')
    expect(login).toContain('<html lang="ko" data-theme="dark">')
    expect(browser.session).toBeUndefined()
    expect(store.calls).toBe(0)
  })

  it('takes a broken preferences cookie for none', async () => {
    const { open } = await startShop()

    const home = await (await open({ cookie: 'prefs="><script>.dark' }).get('/login', page)).text()

    expect(home).toContain('<html lang="en" data-theme="system">')
  })
})
