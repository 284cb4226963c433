import { describe, expect, it } from 'vitest'
import { createRefreshCookie } from './refresh-cookie.ts'

const TOKEN = `${'a'.repeat(43)}.1.${'b'.repeat(43)}`
const OTHER = `${'c'.repeat(43)}.7.${'d'.repeat(43)}`
const NOW = Date.UTC(2026, 0, 1)

describe('createRefreshCookie()', () => {
  it('goes to the refresh endpoint alone, over https, and out of the reach of scripts', () => {
    const cookie = createRefreshCookie()

    expect(cookie.serialize(TOKEN, NOW + 90_500, NOW)).toBe(
      `__Secure-refresh=${TOKEN}; Max-Age=90; Path=/token/refresh; HttpOnly; Secure; SameSite=Strict`,
    )
    expect(cookie.clear()).toBe(
      '__Secure-refresh=; Max-Age=0; Path=/token/refresh; HttpOnly; Secure; SameSite=Strict',
    )
  })

  it('takes the stronger prefix where the path allows it', () => {
    const cookie = createRefreshCookie({ path: '/', sameSite: 'lax', name: 'r' })

    expect(cookie.serialize(TOKEN, NOW - 1, NOW)).toBe(
      `__Host-r=${TOKEN}; Max-Age=0; Path=/; HttpOnly; Secure; SameSite=Lax`,
    )
  })

  it('goes over http by a loud option', () => {
    const cookie = createRefreshCookie({ allowInsecureCookie: true })

    expect(cookie.serialize(TOKEN, NOW, NOW)).toBe(
      `refresh=${TOKEN}; Max-Age=0; Path=/token/refresh; HttpOnly; SameSite=Strict`,
    )
  })

  it('finds every token of its name, in order, and nothing else', () => {
    const { read } = createRefreshCookie()
    const header = `a=1; __Secure-refresh=${TOKEN};__Secure-refresh=junk; __secure-refresh=${OTHER}; refresh=${OTHER}; __Secure-refresh=${OTHER}; __Secure-refresh=${TOKEN}`

    expect(read(header)).toEqual([TOKEN, OTHER])
    expect(read(undefined)).toEqual([])
    expect(read('')).toEqual([])
  })

  it.each([
    { name: '__Host-x' },
    { name: 'a;b' },
    { path: 'x' },
    { path: '/;a' },
    { sameSite: 'none' as never },
  ])('refuses %j', (options) => {
    expect(() => createRefreshCookie(options)).toThrow(TypeError)
  })
})
