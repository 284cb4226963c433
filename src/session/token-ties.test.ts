import { describe, expect, it, onTestFinished } from 'vitest'
import {
  before,
  createBrowser,
  createTrial,
  createUser,
  type TrialOptions,
} from '../../test/support/session-trial.ts'

function createTiedTrial(options: TrialOptions = {}) {
  const revoked: string[] = []
  const state = { down: false }
  const note = async (what: string): Promise<void> => {
    if (state.down) throw new Error('Cannot store the revocation')
    revoked.push(what)
  }
  const trial = createTrial({
    ...options,
    revocations: {
      revokeSession: (sid, sub) => note(`sid ${sid} of ${sub}`),
      revokeUser: (sub) => note(`sub ${sub}`),
    },
  })
  onTestFinished(trial.close)
  return { ...trial, revoked, state }
}

describe('Session.tieTokens()', () => {
  it('gives the same id to everybody, also after the session got a new id', async () => {
    const trial = createTiedTrial()
    const browser = await createUser(trial)

    const [one, other] = await Promise.all([
      browser.copy().visit(trial.here, (session) => session.tieTokens()),
      browser.copy().visit(trial.there, (session) => session.tieTokens()),
    ])
    await browser.visit(trial.here, (session) => session.regenerate())
    const { result } = await browser.visit(trial.there, (session) => session.tieTokens())

    expect(one.result).toMatch(/^[\w-]{22}$/)
    expect([other.result, result]).toEqual([one.result, one.result])
  })

  it('refuses a visitor, and says so of a session that was ended', async () => {
    const trial = createTiedTrial()
    const browser = await createUser(trial)

    const { session } = await browser.begin(trial.here)
    await browser.copy().visit(trial.there, (own) => own.destroy())

    expect(await session.tieTokens()).toBeUndefined()
    await expect(createBrowser().visit(trial.here, (own) => own.tieTokens())).rejects.toThrow(
      'Cannot tie tokens to a session as nobody is logged in to it',
    )
  })

  it.for(['destroy', 'revoke by handle', 'revoke by the operator', 'login of another user'] as const)(
    'ends the tokens with the session: %s',
    async (how) => {
      const trial = createTiedTrial()
      const browser = await createUser(trial)
      const { session, result } = await browser.visit(trial.here, (own) => own.tieTokens())

      await browser.visit(trial.there, async (own) => {
        if (how === 'destroy') await own.destroy()
        else if (how === 'revoke by handle') await trial.there.of('ada').revoke(session.handle)
        else if (how === 'revoke by the operator') await trial.there.revoke(session.handle ?? '')
        else await own.login('eve')
      })

      expect(trial.revoked).toEqual([`sid ${result} of ada`])
    },
  )

  it('ends all tokens of a user who is logged out everywhere', async () => {
    const trial = createTiedTrial()
    await createUser(trial)

    await trial.here.of('ada').revoke()

    expect(trial.revoked).toEqual(['sub ada'])
  })

  it('keeps the session when its tokens cannot be ended, so that somebody can try again', async () => {
    const trial = createTiedTrial()
    const browser = await createUser(trial)
    const { result } = await browser.visit(trial.here, (session) => session.tieTokens())

    trial.state.down = true
    await expect(browser.copy().visit(trial.here, (session) => session.destroy())).rejects.toThrow(
      'Cannot store the revocation',
    )
    trial.state.down = false
    const { session } = await browser.copy().visit(trial.here, (own) => own.destroy())

    expect(session.principal).toBeUndefined()
    expect(trial.revoked).toEqual([`sid ${result} of ada`])
  })

  it('ends tokens that were tied while the session was being ended', async () => {
    const trial = createTiedTrial()
    const browser = await createUser(trial)
    const { session } = await browser.begin(trial.there)
    let sid: string | undefined
    before(
      trial.store,
      ({ method }) => method === 'delete',
      async () => (sid = await session.tieTokens()),
    )

    await browser.copy().visit(trial.here, (own) => own.destroy())

    expect(trial.revoked).toEqual([`sid ${sid} of ada`])
  })

  it('costs a logout nothing that no token is tied to', async () => {
    const trial = createTiedTrial()
    const browser = await createUser(trial)

    await browser.visit(trial.here, (session) => session.destroy())

    expect(trial.revoked).toEqual([])
  })
})
