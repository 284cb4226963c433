/**
 * Users and data that somebody has chosen to break a store, through the session engine to each real back end and back.
 *
 * @module
 */

import { createSessions, MAX_RECORD_LENGTH } from 'coatcheck'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from './support/engines.ts'
import { createBrowser, FakeExchange, type Sessions, type Shop } from './support/session-trial.ts'
import { type OpenStore, type StoreFleet, storeKinds } from './support/store-fleets.ts'

const principals: Readonly<Record<string, string>> = {
  'an emoji': '👩‍👩‍👧‍👦',
  '10 kB': '사'.repeat(3_400),
  NUL: 'a\0b',
  'NUL alone': '\0',
  'a lone surrogate': 'a\ud800',
  'another lone surrogate': 'a\udc00',
  'the escape character': '\uffffd800',
  braces: '{a}{b}}{',
  'a glob': '*?[a-z]',
  'words of memcached': 'x\r\nflush_all\r\nms e 2 T0\r\nab\r\n',
  'words of Redis': '*1\r\n$8\r\nFLUSHALL\r\n',
  'words of SQL': "'; DROP TABLE coatcheck_sessions; --",
  'an array literal': '{"a","b"}\\"',
  'a subject of NATS': 's.*.>',
  spaces: ' \t\n ',
  'a prototype': '__proto__',
  'composed letters': 'é',
  'decomposed letters': 'e\u0301',
}

const values: Readonly<Record<string, string>> = {
  NUL: '\0\u0001\r\nEN\r\n',
  'lone surrogates': '\ud800x\udfff',
  'escape characters': '\uffff0000\uffff',
  'many bytes': '사👩‍👩‍👧‍👦'.repeat(1_000),
  'line separators': '\u2028\u2029\u0085',
}

for (const { title, needs, start } of storeKinds) {
  describeWith(needs, `createSessions() over ${title}`, () => {
    let fleet: StoreFleet
    const opened: OpenStore[] = []
    const servers: Sessions[] = []
    const [here, there] = [() => servers[0] as Sessions, () => servers[1] as Sessions]

    beforeAll(async () => {
      fleet = await start()
      for (const index of [0, 1]) {
        const own = await fleet.open(undefined, index)
        opened.push(own)
        // The tests list only where there is a list.
        servers.push(createSessions<Shop>(own.store as never, { storeTimeout: '10s' }))
      }
    }, 60_000)

    afterAll(async () => {
      for (const sessions of servers) sessions.close()
      for (const { close } of opened) await close()
      await fleet?.close()
    })

    it('keeps users apart whatever their names are, and ends the sessions of each alone', async () => {
      const users = Object.values(principals)
      const browsers = await Promise.all(
        users.map(async (principal) => {
          const browser = createBrowser()
          await browser.visit(here(), (session) => session.login(principal))
          return browser
        }),
      )
      const who = async (index: number) => {
        const { session } = await (browsers[index] as (typeof browsers)[number]).copy().begin(there())
        await session.fresh()
        return session.principal
      }

      for (const [index, principal] of users.entries()) {
        expect(await who(index)).toBe(principal)
        const own = there().of(principal)
        if ('list' in own) expect(await own.list()).toHaveLength(1)
      }
      for (const [index, principal] of users.entries()) {
        await there().of(principal).revoke()
        expect(await who(index)).toBeUndefined()
        if (index + 1 < users.length) expect(await who(index + 1)).toBe(users[index + 1])
      }
    }, 60_000)

    it('gives back all text and every number that JSON holds', async () => {
      const browser = createBrowser()
      const numbers = [2 ** 53, -(2 ** 53) - 2, 1e308, 5e-324, -0.1, Number.MAX_SAFE_INTEGER]

      await browser.visit(here(), (session) => {
        session.set('profile', { name: values['NUL'] ?? '', tags: Object.values(values) })
        for (const [index, number] of numbers.entries()) session.set(`note${index}`, number)
      })
      const { session } = await browser.begin(there())

      expect(session.get('profile')).toEqual({ name: values['NUL'], tags: Object.values(values) })
      expect(numbers.map((_, index) => session.get(`note${index}`))).toEqual(numbers)
    })

    it.each(['a', '사', '\u0001'])(
      'keeps the largest session, of %j, and refuses a larger one',
      async (letter) => {
        const browser = createBrowser()
        const encoded = JSON.stringify(letter).length - 2
        const text = letter.repeat(Math.floor((MAX_RECORD_LENGTH - 100) / encoded))

        await browser.visit(here(), (session) => session.set('notice', text))
        const larger = browser.visit(there(), (session) => session.update('lang', () => 'a'.repeat(200)))
        await expect(larger).rejects.toMatchObject({ code: 'ERR_SESSION_TOO_LARGE' })
        const { session } = await browser.begin(there())

        expect(session.get('notice')).toBe(text)
        expect(session.has('lang')).toBe(false)
      },
    )

    it('takes no cookie for a key of its own making', async () => {
      for (const id of ['{a}', '../..', 'x\r\nflush_all', '*', 'p:ada', '\0'.repeat(43), '€'.repeat(43)]) {
        const exchange = new FakeExchange({ cookie: `__Host-session=${id}` })
        here().attach(exchange, exchange)
        const session = await here().load(exchange)

        expect([session.isNew, session.principal]).toEqual([true, undefined])
        expect(await here().revoke(id)).toBe(false)
      }
    })
  })
}
