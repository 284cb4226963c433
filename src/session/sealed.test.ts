import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { COOKIE, createBrowser, type Sessions, type Shop } from '../../test/support/session-trial.ts'
import { StoreUnavailableError } from '../stores/store.ts'
import { SessionTooLargeError } from './errors.ts'
import { createSealedSessions, type SealedSessionsOptions } from './sealed.ts'
import type { SealedRevocations } from './sealed/engine.ts'
import type { Secret } from './sealed/seal.ts'

const SECRET = 'a secret of more than thirty-two characters'

/** Servers that share a secret and the list of what was revoked, and nothing else. */
function createTrial() {
  let time = Date.UTC(2026, 0, 1)
  const sids = new Set<string>()
  const users = new Map<string, number>()
  const state = { stale: false }
  const revocations: SealedRevocations = {
    tokenLifetime: 30 * 86_400_000,
    check({ sub, sid, iat }) {
      if (state.stale) return 'unknown'
      return sids.has(sid) || iat < (users.get(sub) ?? 0) ? 'revoked' : 'valid'
    },
    issuedAt: (sub, seconds) => Math.max(seconds, users.get(sub) ?? 0),
    revokeSession: async (sid) => void sids.add(sid),
    revokeUser: async (sub) => void users.set(sub, Math.floor(time / 1_000) + 1),
  }
  function addServer(secrets: readonly Secret[] = [SECRET], options: SealedSessionsOptions = {}) {
    const sealed = createSealedSessions<Shop>(secrets, revocations, {
      now: () => time,
      development: true,
      ...options,
    })
    // The browsers of these tests ask for what these sessions have in common with all others.
    return { sealed, server: sealed as unknown as Sessions }
  }
  return {
    addServer,
    ...addServer(),
    there: addServer().server,
    state,
    elapse(milliseconds: number) {
      time += milliseconds
    },
  }
}

async function principalOf(server: Sessions, value: string | undefined): Promise<string | undefined> {
  const { session } = await createBrowser(value).begin(server)
  return session.principal
}

describe('createSealedSessions()', () => {
  it('knows a login and its data on a server that was never asked before', async () => {
    const { server, there } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.set('cart', ['coat']))
    await browser.visit(server, (session) => session.login('ada'))

    const { result } = await browser.visit(there, (session) => [session.principal, session.get('cart')])

    expect(result).toEqual(['ada', ['coat']])
  })

  it('sets no cookie for a visitor who changes nothing', async () => {
    const { server } = createTrial()

    const { exchange } = await createBrowser().visit(server)

    expect(exchange.cookies).toEqual([])
  })

  it('shows nothing of what is in it', async () => {
    const { server } = createTrial()
    const browser = createBrowser()

    await browser.visit(server, async (session) => {
      session.set('lang', 'secret-language')
      await session.login('ada-lovelace')
    })

    const bytes = Buffer.from(browser.id ?? '', 'base64url').toString('latin1')
    expect(bytes).not.toMatch(/secret|language|lovelace/)
  })

  it('takes no value that was changed in any place, cut, or spelled otherwise', async () => {
    const { server } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))
    const value = browser.id ?? ''

    await fc.assert(
      fc.asyncProperty(
        fc.nat(value.length - 1),
        fc.constantFrom('A', 'Q', 'g', 'w', '0', 'Z', '-', '_'),
        async (at, character) => {
          const forged = value.slice(0, at) + character + value.slice(at + 1)
          if (forged !== value) expect(await principalOf(server, forged)).toBeUndefined()
        },
      ),
      { numRuns: 300 },
    )
    for (const forged of [value.slice(0, -1), `${value}A`, `${value}=`, value.slice(1), '']) {
      expect(await principalOf(server, forged)).toBeUndefined()
    }
    expect(await principalOf(server, value)).toBe('ada')
  })

  it('opens nothing that was sealed with another secret, or for another cookie', async () => {
    const { server, addServer } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))
    const strange = addServer([randomBytes(32)]).server
    const other = addServer([SECRET], { cookie: { name: 'admin' } }).server
    const visitor = createBrowser()
    visitor.cookies.set('__Host-admin', browser.id ?? '')

    const elsewhere = await visitor.begin(other)

    expect(await principalOf(strange, browser.id)).toBeUndefined()
    expect(elsewhere.session.principal).toBeUndefined()
  })

  it('logs nobody out when a new secret is put in front, until the old one is taken out', async () => {
    const { server, addServer } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))
    const fresh = randomBytes(32)
    const rotated = addServer([fresh, SECRET]).server
    const old = browser.id

    const during = await browser.visit(rotated, (session) => session.set('count', 1))
    const after = await principalOf(addServer([fresh]).server, browser.id)
    const forgotten = await principalOf(addServer([fresh]).server, old)

    expect([during.session.principal, after, forgotten]).toEqual(['ada', 'ada', undefined])
  })

  it('ends a session that was not used for the idle timeout, and keeps one that is', async () => {
    const { server, elapse } = createTrial()
    const [used, unused] = [createBrowser(), createBrowser()]
    await used.visit(server, (session) => session.login('ada'))
    await unused.visit(server, (session) => session.login('bob'))

    for (let minute = 0; minute < 40; minute += 5) {
      elapse(5 * 60_000)
      await used.visit(server)
    }

    expect(await principalOf(server, used.id)).toBe('ada')
    expect(await principalOf(server, unused.id)).toBeUndefined()
  })

  it('ends every session at its absolute timeout', async () => {
    const { server, elapse } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))

    for (let minute = 0; minute < 12 * 60; minute += 10) {
      elapse(10 * 60_000)
      await browser.visit(server)
    }

    expect(await principalOf(server, browser.id)).toBeUndefined()
  })

  it('sends no cookie on a read between two recorded uses', async () => {
    const { server, elapse } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))

    elapse(80_000)
    const early = await browser.visit(server)
    elapse(20_000)
    const due = await browser.visit(server)

    expect(early.exchange.cookies).toHaveLength(0)
    expect(due.exchange.cookies).toHaveLength(1)
  })

  it('refuses what does not fit into a cookie when it is set, and goes on without it', async () => {
    const { server } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.set('lang', 'ko'))

    const { result } = await browser.visit(server, async (session) => {
      const attempts = [
        async () => session.set('notice', 'x'.repeat(4_000)),
        () => session.update('notice', () => 'x'.repeat(4_000)),
        async () => session.set('notice', '\u{1F9E5}'.repeat(800)),
      ]
      const refused: unknown[] = []
      for (const attempt of attempts) {
        try {
          await attempt()
        } catch (error) {
          refused.push(error)
        }
      }
      return refused
    })
    const { session } = await browser.begin(server)

    expect(result).toEqual([1, 2, 3].map(() => expect.any(SessionTooLargeError) as unknown))
    expect([session.get('lang'), session.has('notice')]).toEqual(['ko', false])
  })

  it('fills a cookie up to 4,096 bytes of name and value, not one more', async () => {
    const { server } = createTrial()
    const lengths: number[] = []
    let refused: unknown

    for (let size = 2_700; size < 3_100 && !refused; size++) {
      const browser = createBrowser()
      try {
        await browser.visit(server, (session) => session.set('notice', 'x'.repeat(size)))
        lengths.push(COOKIE.length + 1 + (browser.id?.length ?? 0))
      } catch (error) {
        refused = error
      }
    }

    expect(refused).toBeInstanceOf(SessionTooLargeError)
    expect(lengths.at(-1)).toBeGreaterThan(4_092)
    expect(lengths.at(-1)).toBeLessThanOrEqual(4_096)
  })

  it('lets nobody in with the cookie from before a logout, on any server', async () => {
    const { server, there } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))
    const copy = browser.id

    await browser.visit(server, (session) => session.destroy())

    expect(browser.id).toBeUndefined()
    expect(await principalOf(there, copy)).toBeUndefined()
  })

  it('does not let a request that was slow bring an ended session back', async () => {
    const { server, there } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, (session) => session.login('ada'))
    const { exchange, session } = await browser.begin(there)

    await browser.copy().visit(server, (own) => own.destroy())
    const outcome = await session.update('count', () => 1)
    await exchange.end()

    expect(outcome).toBeUndefined()
    expect(exchange.cookies).toEqual([expect.stringContaining('Max-Age=0')])
  })

  it('logs a user out everywhere but here, and lets them log in again at once', async () => {
    const { sealed, server, there } = createTrial()
    const [here, elsewhere] = [createBrowser(), createBrowser()]
    await here.visit(server, (session) => session.login('ada'))
    await elsewhere.visit(server, (session) => session.login('ada'))
    const before = here.id

    await here.visit(server, (session) => sealed.of('ada').revoke({ except: session }))
    const revoked = await principalOf(there, elsewhere.id)
    await elsewhere.visit(there, (session) => session.login('ada'))

    expect([await principalOf(there, here.id), revoked]).toEqual(['ada', undefined])
    expect(await principalOf(there, elsewhere.id)).toBe('ada')
    expect(here.id).not.toBe(before)
  })

  it("ends one session by its handle, if it is that user's", async () => {
    const { sealed, server } = createTrial()
    const browser = createBrowser()
    const { session } = await browser.visit(server, (own) => own.login('ada'))
    const handle = session.handle ?? ''

    const foreign = [await sealed.of('eve').revoke(handle), await sealed.of('ada').revoke('no handle')]
    const still = await principalOf(server, browser.id)
    const own = await sealed.of('ada').revoke(handle)

    expect([foreign, still, own]).toEqual([[0, 0], 'ada', 1])
    expect(await principalOf(server, browser.id)).toBeUndefined()
  })

  it('refuses users while the list of revocations may be stale, and serves visitors', async () => {
    const { server, state } = createTrial()
    const [user, visitor] = [createBrowser(), createBrowser()]
    await user.visit(server, (session) => session.login('ada'))
    await visitor.visit(server, (session) => session.set('count', 1))

    state.stale = true
    const { session } = await visitor.begin(server)

    expect(session.get('count')).toBe(1)
    await expect(user.begin(server)).rejects.toBeInstanceOf(StoreUnavailableError)
    await expect(user.begin(server, { outage: 'anonymous' })).resolves.toMatchObject({
      session: { unavailable: true },
    })
  })

  it("carries nothing of another user's session into a login, and ends it", async () => {
    const { server } = createTrial()
    const browser = createBrowser()
    await browser.visit(server, async (session) => {
      session.set('cart', ['coat'])
      await session.login('ada')
    })
    const ada = browser.id

    const { session } = await browser.visit(server, (own) => own.login('eve'))

    expect([session.principal, session.get('cart')]).toEqual(['eve', undefined])
    expect(await principalOf(server, ada)).toBeUndefined()
  })

  it('refuses revocations that forget a session while it could still live', () => {
    const { addServer } = createTrial()

    expect(() => addServer([SECRET], { rememberTimeout: '31d' })).toThrow(
      'as the revocations must remember an ended session for 2678400000 ms, the longest life of one: their tokenLifetime is 2592000000 ms',
    )
  })

  it.for([
    [[], 'there is no secret'],
    [['short'], 'a secret must have at least 32 bytes: received 5'],
    [[SECRET, SECRET], 'the same secret is given twice'],
  ] as const)('refuses the secrets %j', ([secrets, reason]) => {
    const { addServer } = createTrial()

    expect(() => addServer(secrets)).toThrow(`Cannot create a manager of sealed sessions as ${reason}`)
  })
})
