import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Browser,
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  type Sessions,
  type Trial,
  whoIs,
} from '../../test/support/session-trial.ts'

type Command =
  | { readonly kind: 'update' | 'set'; readonly server: 0 | 1; readonly user: 0 | 1; readonly id: number }
  | {
      readonly kind: 'regenerate' | 'load' | 'destroy'
      readonly server: 0 | 1
      readonly user: 0 | 1
    }
  | { readonly kind: 'revoke' | 'revoke all'; readonly server: 0 | 1; readonly user: 0 | 1 }

const USERS = ['ada', 'eve'] as const
const side = fc.constantFrom<0 | 1>(0, 1)

/** Changes are common and ends are rare, so that there is something to lose. */
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant('update'), server: side, user: side, id: fc.nat() }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('set'), server: side, user: side, id: fc.nat() }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('regenerate'), server: side, user: side }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('load'), server: side, user: side }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constantFrom('destroy', 'revoke', 'revoke all'),
      server: side,
      user: side,
    }),
  },
)

/** What one user's session went through, by the account of its clients. */
interface Account {
  readonly principal: string
  /** Every id that any answer named. */
  readonly ids: Set<string>
  readonly browser: Browser
  readonly updates: Set<number>
  readonly sets: Set<number>
  readonly handle: string
  /** An end was acknowledged. */
  ended: boolean
  /** An end was attempted, so nothing is promised of updates. */
  endBegun: boolean
}

async function openAccount(trial: Trial, principal: string): Promise<Account> {
  const browser = await createUser(trial, principal)
  const [info] = await trial.here.of(principal).list()
  return {
    principal,
    ids: new Set([browser.id ?? '']),
    browser,
    updates: new Set(),
    sets: new Set(),
    handle: info?.handle ?? '',
    ended: false,
    endBegun: false,
  }
}

async function run(trial: Trial, accounts: readonly Account[], command: Command, at: number): Promise<void> {
  const server = (command.server === 0 ? trial.here : trial.there) satisfies Sessions
  const account = accounts[command.user] as Account
  const { principal, browser } = account
  const endedBefore = account.ended
  const request = browser.copy()

  if (command.kind === 'revoke' || command.kind === 'revoke all') {
    account.endBegun = true
    const ended = await (command.kind === 'revoke'
      ? server.revoke(account.handle)
      : server.of(principal).revoke())
    if (ended === true || (typeof ended === 'number' && ended > 0)) account.ended = true
    return
  }
  if (command.kind === 'destroy') account.endBegun = true
  await request.visit(server, async (session) => {
    if (session.principal !== undefined) {
      expect(session.principal).toBe(principal)
      expect(endedBefore, 'alive after an acknowledged end').toBe(false)
    }
    const wasAlive = session.principal !== undefined
    if (!wasAlive) return
    if (command.kind === 'update') {
      const stored = await session.update('cart', (cart = []) => [...cart, String(at)])
      if (stored !== undefined) account.updates.add(at)
    } else if (command.kind === 'set') {
      session.set(`note${at}`, at)
      if ((await session.commit()) === 'written') account.sets.add(at)
    } else if (command.kind === 'regenerate') await session.regenerate()
    else if (command.kind === 'destroy') {
      await session.destroy()
      account.ended = true
    }
  })
  // A browser takes the newest cookie; every one that was ever sent stays known to whoever saw it.
  if (request.id !== undefined) {
    account.ids.add(request.id)
    browser.cookies.set('__Host-session', request.id)
  }
}

/** What visitors do while one of their requests logs in. */
const visitorCommand = fc.record({
  kind: fc.constantFrom('update', 'update', 'set', 'load', 'regenerate'),
  server: side,
})

describe('createSessions() under interleavings of two servers', () => {
  it('carries every acknowledged change of a visitor through a login, in 500 random schedules', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(visitorCommand, { minLength: 1, maxLength: 6 }),
        fc.scheduler(),
        async (commands, s) => {
          const trial = createTrial()
          const browser = await createVisitor(trial, [])
          const planted = new Set([browser.id])
          const updates = new Set<string>()
          const sets = new Set<number>()
          trial.store.intercept = (call, next) => s.schedule(Promise.resolve(), call.method).then(next)

          const user = browser.copy()
          const login = user.visit(trial.here, (session) => session.login('ada'))
          const requests = commands.map(async ({ kind, server }, at) => {
            const request = browser.copy()
            await request.visit(server === 0 ? trial.here : trial.there, async (session) => {
              if (session.principal !== undefined || session.superseded || session.isNew) return
              if (kind === 'update') {
                await session.update('cart', (cart = []) => [...cart, String(at)])
                updates.add(String(at))
              } else if (kind === 'set') {
                session.set(`note${at}`, at)
                await session.commit()
                sets.add(at)
              } else if (kind === 'regenerate') await session.regenerate()
            })
            planted.add(request.id)
          })
          const settled = Promise.allSettled(requests)
          await s.waitFor(Promise.all([login, settled]))

          trial.store.intercept = (_call, next) => next()
          for (const result of await settled) {
            if (result.status === 'rejected')
              expect(result.reason).toMatchObject({ code: 'ERR_SESSION_SUPERSEDED' })
          }
          planted.delete(user.id)
          for (const id of planted) expect(await whoIs(trial.there, id), 'an id from before').toBeUndefined()
          const { session } = await user.begin(trial.there)
          expect(session.principal).toBe('ada')
          expect(new Set(session.get('cart'))).toEqual(updates)
          for (const at of sets) expect(session.get(`note${at}`)).toBe(at)
          trial.close()
        },
      ),
      { numRuns: 500 },
    )
  }, 60_000)

  it('holds its promises in 1,000 random schedules', async () => {
    let survivors = 0
    await fc.assert(
      fc.asyncProperty(
        fc.array(command, { minLength: 4, maxLength: 12 }),
        fc.scheduler(),
        async (commands, s) => {
          const trial = createTrial()
          const accounts = await Promise.all(USERS.map((user) => openAccount(trial, user)))
          trial.store.intercept = (call, next) => s.schedule(Promise.resolve(), call.method).then(next)

          const clients = [0, 1, 2, 3].map((client) => async () => {
            for (const [at, command] of commands.entries()) {
              if (at % 4 === client) await run(trial, accounts, command, at)
            }
          })
          await s.waitFor(Promise.all(clients.map((client) => client())))

          trial.store.intercept = (_call, next) => next()
          for (const account of accounts) survivors += (await verify(trial, account)) ? 1 : 0
          trial.close()
        },
      ),
      { numRuns: 1_000 },
    )

    // Otherwise nothing was held to the promise about updates.
    expect(survivors).toBeGreaterThan(200)
  }, 60_000)
})

/** @returns Whether the session lives. */
async function verify(trial: Trial, account: Account): Promise<boolean> {
  for (const id of account.ids) {
    const { session } = await createBrowser(id).begin(trial.there)
    if (account.ended) expect(session.principal).toBeUndefined()
    else if (!account.endBegun) {
      expect(session.principal, 'an id within its grace was logged out').toBe(account.principal)
      expect(new Set(session.get('cart')?.map(Number))).toEqual(account.updates)
      for (const at of account.sets) expect(session.get(`note${at}`)).toBe(at)
    }
  }
  const listed = await trial.there.of(account.principal).list()
  expect(listed).toHaveLength(account.ended ? 0 : listed.length)
  if (!account.endBegun) expect(listed, 'a rotation left a second session').toHaveLength(1)
  return !account.endBegun
}
