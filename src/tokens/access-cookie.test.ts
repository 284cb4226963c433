import { describe, expect, it } from 'vitest'
import { createAccessCookie } from './access-cookie.ts'

const TOKEN = 'aaaa.bbbb.cccc'
const host = 'shop.example'
const cookie = `theme=dark; __Host-access=${TOKEN}; other=1`

describe('createAccessCookie()', () => {
  it('goes to this host alone, over https, and out of the reach of scripts', () => {
    const access = createAccessCookie()

    expect(access.serialize(TOKEN, 300)).toBe(
      `__Host-access=${TOKEN}; Max-Age=300; Path=/; HttpOnly; Secure; SameSite=Lax`,
    )
    expect(access.clear()).toBe('__Host-access=; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax')
  })

  it('goes over http by a loud option, and is stricter by another', () => {
    const access = createAccessCookie({ allowInsecureCookie: true, sameSite: 'strict', name: 'at' })

    expect(access.serialize(TOKEN, -1)).toBe(`at=${TOKEN}; Max-Age=0; Path=/; HttpOnly; SameSite=Strict`)
  })

  it('reads its token, of Node and of the Web', () => {
    const access = createAccessCookie()

    expect(access.read({ method: 'GET', headers: { host, cookie } })).toEqual({ ok: true, token: TOKEN })
    expect(access.read({ method: 'GET', headers: new Headers({ host, cookie }) })).toEqual({
      ok: true,
      token: TOKEN,
    })
  })

  it.each([undefined, '', 'access=a.b.c', '__Host-access=', '__host-access=a.b.c', 'x__Host-access=a.b.c'])(
    'finds no token in %j',
    (other) => {
      const answer = createAccessCookie().read({ method: 'GET', headers: { host, cookie: other } })

      expect(answer).toEqual({ ok: false, reason: 'missing' })
    },
  )

  it('takes neither of two', () => {
    const two = `${cookie}; __Host-access=x.y.z`

    const answer = createAccessCookie().read({ method: 'GET', headers: { host, cookie: two } })

    expect(answer).toEqual({ ok: false, reason: 'bad-request' })
  })

  it.each(['POST', 'PUT', 'PATCH', 'DELETE', 'post', undefined])(
    'gives another site’s page nothing to change anything with, by %s',
    (method) => {
      const access = createAccessCookie()
      const foreign = { host, cookie, 'sec-fetch-site': 'cross-site' }

      expect(access.read({ method, headers: foreign })).toEqual({ ok: false, reason: 'cross-site' })
      expect(access.read({ method, headers: { host, cookie, origin: 'https://evil.example' } })).toEqual({
        ok: false,
        reason: 'cross-site',
      })
      expect(access.read({ method, headers: { ...foreign, 'sec-fetch-site': 'same-origin' } }).ok).toBe(true)
    },
  )

  it('reads for a link from another site, which changes nothing', () => {
    const headers = { host, cookie, 'sec-fetch-site': 'cross-site' }

    expect(createAccessCookie().read({ method: 'GET', headers }).ok).toBe(true)
  })

  it('compares with the origin that it is given', () => {
    const access = createAccessCookie({ origin: 'https://shop.example' })
    const headers = { host: 'inner:8080', cookie, origin: 'https://shop.example' }

    expect(access.read({ method: 'POST', headers }).ok).toBe(true)
    expect(createAccessCookie().read({ method: 'POST', headers }).ok).toBe(false)
  })

  it('refuses a token that browsers would drop, or that is none', () => {
    const access = createAccessCookie()
    const longest = 4_096 - access.name.length

    expect(access.serialize(`a.b.${'c'.repeat(longest - 4)}`, 1)).toContain('Max-Age=1')
    expect(() => access.serialize(`a.b.${'c'.repeat(longest - 3)}`, 1)).toThrow(RangeError)
    expect(() => access.serialize('a.b.c; Domain=evil.example', 1)).toThrow(TypeError)
  })

  it.each([{ name: '__Host-x' }, { name: 'a;b' }, { sameSite: 'none' as never }])('refuses %j', (options) => {
    expect(() => createAccessCookie(options)).toThrow(TypeError)
  })
})
