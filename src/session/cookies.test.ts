import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { createSessions } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  createBrowser,
  createTrial,
  createUser,
  FakeExchange,
  load,
  type TrialOptions,
} from '../../test/support/session-trial.ts'
import { readCookies } from './cookie.ts'

const NAME = '__Host-session'
/** Over http, where cookies of other paths and domains can have the same name. */
const PLAIN_NAME = 'session'
const OTHER = 'B'.repeat(43)

afterEach(() => vi.restoreAllMocks())

describe('readCookies()', () => {
  it.for([
    ['session=a', ['a']],
    ['session=a; session=b', ['a', 'b']],
    ['session=a;session=b', ['a', 'b']],
    ['  session=a  ;\tsession=b ', ['a', 'b']],
    ['x=1; session=a; y=2', ['a']],
    ['session=', ['']],
    ['session', []],
    ['session; session=a', ['a']],
    ['session =a', []],
    ['Session=a; SESSION=b', []],
    ['mysession=a; session2=b; __Host-session=c; x-session=d', []],
    ['x=session=a', []],
    ['x="; session=a"', ['a"']],
    ['x=%3B session=a', []],
    ['session=a=b', ['a=b']],
    [';;; ;session=a;', ['a']],
    ['', []],
    ['sessionsession=a; session=b', ['b']],
  ] as const)('finds in %j: %j', ([header, values]) => {
    expect(readCookies(header, 'session')).toEqual(values)
  })

  it('finds what browsers sent, whatever stands beside it', () => {
    const part = fc.stringMatching(/^[!-:<-~ ]{0,12}$/)
    fc.assert(
      fc.property(
        fc.array(fc.tuple(part, part)),
        fc.array(fc.stringMatching(/^[\w-]{1,8}$/)),
        (others, values) => {
          const noise = others.map(([name, value]) => `${name}x=${value}`)
          const header = [...noise, ...values.map((value) => `session=${value}`)].join('; ')

          expect(readCookies(header, 'session')).toEqual(values)
        },
      ),
    )
  })

  it('reads a header of a megabyte of look-alikes in no time', () => {
    const header = `${'session'.repeat(70_000)}; ${' '.repeat(500_000)}session=a`
    const start = performance.now()

    const values = readCookies(header, 'session')

    expect(values).toEqual(['a'])
    expect(performance.now() - start).toBeLessThan(250)
  })
})

describe('the session cookie', () => {
  it.for([
    [{}, '__Host-session=ID; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [{ name: 'sid' }, '__Host-sid=ID; Path=/; HttpOnly; Secure; SameSite=Lax'],
    [{ sameSite: 'strict' }, '__Host-session=ID; Path=/; HttpOnly; Secure; SameSite=Strict'],
    [{ sameSite: 'none' }, '__Host-session=ID; Path=/; HttpOnly; Secure; SameSite=None'],
    [
      { domain: 'shop.test' },
      '__Secure-session=ID; Path=/; Domain=shop.test; HttpOnly; Secure; SameSite=Lax',
    ],
  ] as const)('is written as %j says', async ([cookie, expected]) => {
    const trial = createTrial({ cookie })

    const { exchange } = await createBrowser().visit(trial.here, (session) => session.set('count', 1))

    expect(exchange.cookies.map((cookie) => cookie.replace(/=[\w-]{43};/, '=ID;'))).toEqual([expected])
  })

  it.for([
    [{ name: 'a b' }, 'cookie.name must be a cookie name without __Host- or __Secure-'],
    [{ name: '' }, 'cookie.name must be a cookie name'],
    [{ name: 'a;b' }, 'cookie.name must be a cookie name'],
    [{ name: '__Host-a' }, 'without __Host- or __Secure-, which is added: received "__Host-a"'],
    [{ name: '__secure-a' }, 'without __Host- or __Secure-'],
    [{ sameSite: 'Lax' }, "cookie.sameSite must be 'lax', 'strict' or 'none': received \"Lax\""],
    [{ domain: '' }, 'cookie.domain must be a host name'],
    [{ domain: '.shop.test' }, 'cookie.domain must be a host name'],
    [{ domain: 'shop.test; Path=/x' }, 'cookie.domain must be a host name'],
  ] as const)('cannot be %j', ([cookie, message]) => {
    expect(() => createSessions(createMemoryStore(), { cookie: cookie as object })).toThrow(message)
  })

  it('is not read under another name than its own', async () => {
    const trial = createTrial()
    const { id } = await createUser(trial)

    for (const name of [
      'session',
      '__host-session',
      '__HOST-SESSION',
      '__Secure-session',
      '__Host-session2',
    ]) {
      const session = await load(trial.here, new FakeExchange({ cookie: `${name}=${id}` }))
      expect(session.principal, `under ${name}`).toBeUndefined()
    }
  })

  it('is the first valid one of several, and the others are expired', async () => {
    const trial = createTrial({ allowInsecureCookie: true })
    const { id } = await createUser(trial)
    for (const values of [
      [OTHER, id],
      [id, OTHER],
      ['junk', OTHER, '', id],
    ]) {
      const cookie = values.map((value) => `${PLAIN_NAME}=${value}`).join('; ')
      const exchange = new FakeExchange(
        { cookie, host: 'www.shop.test:8443' },
        { path: '/a/b', secure: false },
      )

      const session = await load(trial.there, exchange)
      await exchange.end()

      expect(session.principal).toBe('ada')
      expect(
        exchange.cookies.filter((cookie) => cookie.startsWith(`${PLAIN_NAME}=; Max-Age=0;`)).length,
      ).toBeGreaterThan(0)
      // Whatever comes last for this host and path is not an expiry of the session itself.
      const own = exchange.cookies.filter(
        (cookie) => /; Path=\/(;|$)/.test(cookie) && !cookie.includes('Domain='),
      )
      expect(own.at(-1) ?? `${id}`).toContain(id)
    }
  })

  it('is found behind any number of cookies that are none', async () => {
    const trial = createTrial()
    const { id } = await createUser(trial)
    const cookie = [...Array(20).fill('junk'), id].map((value) => `${NAME}=${value}`).join('; ')

    const session = await load(trial.here, new FakeExchange({ cookie }))

    expect(session.principal).toBe('ada')
  })

  it('does not have the store asked for more than a few forged ones', async () => {
    const trial = createTrial()
    const cookie = Array(100).fill(`${NAME}=${OTHER}`).join('; ')

    await load(trial.here, new FakeExchange({ cookie }))

    expect(trial.store.count('read')).toBeLessThanOrEqual(4)
  })

  it.for(['/a;Path=/;x', '/a; Max-Age=999', '/a;Domain=shop.test'])(
    'is not scoped by what somebody wrote into the path %s',
    async (path) => {
      const trial = createTrial({ allowInsecureCookie: true })
      const { id } = await createUser(trial)
      const exchange = new FakeExchange(
        { cookie: `${PLAIN_NAME}=${OTHER}; ${PLAIN_NAME}=${id}`, host: 'shop.test' },
        { path, secure: false },
      )

      await load(trial.here, exchange)
      await exchange.end()

      for (const cookie of exchange.cookies) {
        const attributes = cookie.split(';').map((part) => part.split('=', 1)[0]?.trim().toLowerCase())
        expect(new Set(attributes).size, `in ${cookie}`).toBe(attributes.length)
        expect(cookie).not.toMatch(/; Path=\/a.*Domain=/)
      }
    },
  )
})

describe('the session cookie over http', () => {
  function visitOverHttp(options: TrialOptions, headers: Record<string, string> = {}) {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const trial = createTrial(options)
    const exchange = new FakeExchange(headers, { secure: false })
    return { warn, trial, exchange }
  }

  it.for([
    [{ development: true, allowInsecureCookie: true }, 'session', 0],
    [{ development: false, allowInsecureCookie: true }, 'session', 0],
    [{ development: true }, 'session', 1],
    [{ development: false }, '__Host-session', 1],
    [{ development: true, allowInsecureCookie: false }, '__Host-session', 1],
  ] as const)('is sent with %j as %s, with %d warnings', async ([options, name, warnings]) => {
    const { warn, trial, exchange } = visitOverHttp(options)
    for (let times = 0; times < 2; times++) {
      const session = await load(trial.here, times === 0 ? exchange : new FakeExchange({}, { secure: false }))
      session.set('count', 1)
      await exchange.end()
    }

    expect(exchange.cookies[0]?.startsWith(`${name}=`)).toBe(true)
    expect(exchange.cookies[0]?.includes('; Secure')).toBe(name !== 'session')
    expect(warn).toHaveBeenCalledTimes(warnings)
  })

  it('keeps Secure and __Host- over https though http is allowed', async () => {
    const trial = createTrial({ allowInsecureCookie: true })

    const { exchange } = await createBrowser().visit(trial.here, (session) => session.set('count', 1))

    expect(exchange.cookies[0]).toMatch(/^__Host-session=.*; Secure;/)
  })

  it('explains that a proxy is not trusted', async () => {
    const { trial, exchange } = visitOverHttp({ development: false }, { 'x-forwarded-proto': 'https' })
    await load(trial.here, exchange)

    const lines = await trial.here.explain(exchange)

    expect(lines.join(' ')).toContain(
      "The request arrived over http with X-Forwarded-Proto: https, which the framework was not told to trust: tell it (Express: app.set('trust proxy', …))",
    )
  })

  it('explains that browsers drop it', async () => {
    const { trial, exchange } = visitOverHttp({ development: false })
    await load(trial.here, exchange)

    expect((await trial.here.explain(exchange)).join(' ')).toContain(
      'over http browsers drop the cookie __Host-session: serve https, or set allowInsecureCookie',
    )
  })
})
