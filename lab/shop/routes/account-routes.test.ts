import { describe, expect, it } from 'vitest'
import { startShop } from '../testing/shop-trial.ts'

const ada = { username: 'ada', password: 'correct horse battery' }
const bob = { username: 'bob', password: 'staple staple staple' }

describe('createAccountRoutes()', () => {
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

  it('lists the present session where the store cannot find the others, and ends those all the same', async () => {
    const { open } = await startShop({ indexed: false })
    const [laptop, phone] = [open(), open()]
    await laptop.post('/register', ada)
    await phone.post('/login', ada)

    const list = (await (await phone.get('/sessions')).json()) as { sessions: object[]; complete: boolean }
    const page = await (await phone.get('/account', { accept: 'text/html' })).text()
    const others = await phone.request('DELETE', '/sessions')
    const after = [await laptop.get('/me'), await phone.get('/me')]

    expect(list).toMatchObject({ sessions: [{ current: true }], complete: false })
    expect(list.sessions).toHaveLength(1)
    expect(page).toContain('those of one user cannot be listed')
    expect(page).toContain('action="/sessions/revoke-others"')
    expect([others, ...after].map(({ status }) => status)).toEqual([204, 401, 200])
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
})
