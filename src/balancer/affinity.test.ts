import { afterEach, describe, expect, it } from 'vitest'
import { startApplication, startRecorder } from '../../test/support/raw-http.ts'
import { createTestbed, visit } from '../../test/support/testbed.ts'

const SECRET = 'a secret of more than thirty-two bytes'
const STICKY = { routing: 'sticky', secrets: [SECRET], allowInsecureCookie: true } as const

const { keep, startFleet, startBalancer, close } = createTestbed()
afterEach(close)

describe('sticky routing', () => {
  it('keeps a visitor on the server of the first request', async () => {
    const { url } = await startBalancer(await startFleet('A', 'B', 'C'), STICKY)
    const first = await visit(url)

    const later = [
      await visit(url, first.cookie),
      await visit(url, first.cookie),
      await visit(url, first.cookie),
    ]

    expect(first.routedBy).toBe('new')
    const same = { server: first.server, routedBy: 'cookie', cookie: '' }
    expect(later).toEqual([same, same, same])
  })

  it('sets a cookie that scripts cannot read and other sites cannot send along', async () => {
    const fleet = await startFleet('A')
    const { url } = await startBalancer(fleet, { routing: 'sticky', secrets: [SECRET] })

    const response = await fetch(url)

    expect(response.headers.getSetCookie()).toEqual([
      expect.stringMatching(/^__Host-affinity=A\.[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Secure$/),
    ])
  })

  it('treats a forged cookie as a new visitor', async () => {
    const { url } = await startBalancer(await startFleet('A', 'B'), STICKY)
    const { cookie, server } = await visit(url)
    const other = server === 'A' ? 'B' : 'A'
    const forged = cookie.replace(`=${server}.`, `=${other}.`)

    const visits = [
      await visit(url, forged),
      await visit(url, `affinity=${other}`),
      await visit(url, 'affinity='),
    ]

    expect(visits.map(({ routedBy }) => routedBy)).toEqual(['new', 'new', 'new'])
    expect(visits.every((visit) => visit.cookie !== '')).toBe(true)
  })

  it('agrees with another balancer that has the same secrets', async () => {
    const fleet = await startFleet('A', 'B', 'C')
    const one = await startBalancer(fleet, STICKY)
    const two = await startBalancer(fleet, STICKY)
    const { cookie, server } = await visit(one.url)

    expect(await visit(two.url, cookie)).toEqual({ server, routedBy: 'cookie', cookie: '' })
  })

  it('accepts cookies of an older secret and replaces them', async () => {
    const fleet = await startFleet('A', 'B')
    const old = await startBalancer(fleet, STICKY)
    const rotated = await startBalancer(fleet, { ...STICKY, secrets: [`new ${SECRET}`, SECRET] })
    const { cookie, server } = await visit(old.url)

    const renewed = await visit(rotated.url, cookie)

    expect(renewed).toMatchObject({ server, routedBy: 'cookie' })
    expect(renewed.cookie).toMatch(/^affinity=/)
    expect(renewed.cookie).not.toBe(cookie)
    expect(await visit(rotated.url, renewed.cookie)).toEqual({ server, routedBy: 'cookie', cookie: '' })
  })

  it('hides its cookie from the application and leaves the others as they were', async () => {
    const recorder = keep(await startRecorder())
    const { url } = await startBalancer([{ id: 'A', url: recorder.url }], STICKY)
    const { cookie } = await visit(url)

    await visit(url, `a="1;  b=%20; ${cookie}; affinity=x ;c==;`)

    expect(recorder.received()).toContain('cookie: a="1;  b=%20;c==;\r\n')
    expect(recorder.received()).not.toContain('affinity')
  })

  it('sets no cookie on an answer that a shared cache may keep', async () => {
    const application = keep(
      await startApplication('A', (_request, response) => {
        response.setHeader('cache-control', 'public, max-age=60').end()
      }),
    )
    const { url } = await startBalancer([application], STICKY)

    const response = await fetch(`${url}/static/logo.svg`)

    expect(response.headers.getSetCookie()).toEqual([])
  })

  it('sends a visitor elsewhere when the server died, and back to a restarted one that the cookie names', async () => {
    const fleet = await startFleet('A', 'B')
    const { balancer, url } = await startBalancer(fleet, STICKY)
    const { cookie, server } = await visit(url)
    const own = fleet.find(({ id }) => id === server)
    await own?.close()

    const moved = await visit(url, cookie)
    const restarted = keep(await startApplication(server))
    await balancer.setUrl(server, restarted.url)
    const back = await visit(url, cookie)

    expect(moved).toMatchObject({ routedBy: 'redispatch', server: server === 'A' ? 'B' : 'A' })
    expect(moved.cookie).not.toBe('')
    expect(back).toEqual({ server, routedBy: 'cookie', cookie: '' })
  })

  it('keeps the visitors of a draining server and sends it no new ones', async () => {
    const { balancer, url } = await startBalancer(await startFleet('A', 'B'), STICKY)
    const { cookie, server } = await visit(url)

    balancer.drain(server)
    const own = await visit(url, cookie)
    const strangers = [await visit(url), await visit(url), await visit(url)]

    expect(balancer.upstreams().find(({ id }) => id === server)?.state).toBe('draining')
    expect(own).toMatchObject({ server, routedBy: 'cookie' })
    expect(strangers.some((visit) => visit.server === server)).toBe(false)
  })

  it('sends nobody to a server under maintenance until it is ready again', async () => {
    const { balancer, url } = await startBalancer(await startFleet('A', 'B'), STICKY)
    const { cookie, server } = await visit(url)

    balancer.maintenance(server)
    const during = await visit(url, cookie)
    balancer.ready(server)
    const after = await visit(url, cookie)

    expect(during.routedBy).toBe('redispatch')
    expect(after).toMatchObject({ server, routedBy: 'cookie' })
  })

  it('counts the visitors of a removed server as new', async () => {
    const { balancer, url } = await startBalancer(await startFleet('A', 'B'), STICKY)
    const { cookie, server } = await visit(url)

    balancer.remove(server)

    expect(await visit(url, cookie)).toMatchObject({ routedBy: 'new' })
    expect(() => balancer.drain(server)).toThrow(RangeError)
  })
})
