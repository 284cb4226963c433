import { CookieJar } from 'tough-cookie'
import { describe, expect, it } from 'vitest'
import { createCookieJar } from './cookie-jar.ts'

const origin = 'http://127.0.0.1:4001/'

describe('createCookieJar()', () => {
  it.each([
    [['session=a; Path=/; HttpOnly; SameSite=Lax']],
    [['session=a; Path=/', 'affinity=b; Path=/', 'session=c; Path=/']],
    [['session=a; Path=/', 'session=; Path=/; Max-Age=0']],
    [['session=a; Path=/', 'session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT']],
    [['session=a; Path=/; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT']],
    [['session=a; path=/; max-age=later']],
    [['prefs=ko.dark; Path=/', 'data=a=b==; Path=/']],
    [['=nameless; Path=/', 'session=a; Path=/']],
  ])('agrees with tough-cookie on %j', (lines) => {
    const jar = createCookieJar()
    const oracle = new CookieJar()

    jar.receive(lines)
    for (const line of lines) oracle.setCookieSync(line, origin, { ignoreError: true })

    expect(jar.header() ?? '').toBe(oracle.getCookieStringSync(origin))
  })

  it.each(['Domain=127.0.0.1; Path=/', 'Path=/; Secure', 'Path=/account', 'HttpOnly'])(
    'refuses a cookie with %s',
    (attributes) => {
      const jar = createCookieJar()

      jar.receive([`session=a; ${attributes}`])

      expect(jar.header()).toBeUndefined()
    },
  )

  it('refuses a prefix that promises https', () => {
    const jar = createCookieJar()

    jar.receive(['__Host-session=a; Path=/'])

    expect(jar.header()).toBeUndefined()
  })

  it('forgets a cookie at the instant at which it expires', () => {
    let time = 0
    const jar = createCookieJar({ now: () => time })
    jar.receive(['session=a; Path=/; Max-Age=2'])

    time = 1_999
    const before = jar.header()
    time = 2_000
    const then = jar.header()

    expect([before, then]).toEqual(['session=a', undefined])
  })
})
