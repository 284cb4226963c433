/**
 * The promises of the session engine over every store on its real servers: two application servers with clients of their
 * own, several browsers, calls in an order that fast-check chooses, and answers that get lost on their way.
 *
 * @module
 */

import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { createSessions, StoreUnavailableError } from 'coatcheck'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { describeWith } from './support/engines.ts'
import {
  type Browser,
  createBrowser,
  createVisitor,
  type Sessions,
  type Shop,
  whoIs,
} from './support/session-trial.ts'
import {
  type FleetStore,
  type OpenStore,
  type StoreFleet,
  storeKinds,
  type Tap,
} from './support/store-fleets.ts'

const RUNS = process.env['COATCHECK_LONG'] === '1' ? 300 : 8
/** What two looks at the clock of a busy process may be apart, in milliseconds. */
const SLACK = 50

/** What becomes of a call to a store. Of the last two its caller cannot tell which it was. */
type Fate = 'answered' | 'lost on the way' | 'answer lost'

const server = fc.constantFrom(0, 1)
const fate = fc.oneof(
  { weight: 30, arbitrary: fc.constant<Fate>('answered') },
  { weight: 1, arbitrary: fc.constantFrom<Fate>('lost on the way', 'answer lost') },
)
const fates = fc.infiniteStream(fate)

/** Changes are common and ends are rare, so that there is something to lose. */
const command = fc.record({
  kind: fc.oneof(
    { weight: 6, arbitrary: fc.constant('update' as const) },
    { weight: 3, arbitrary: fc.constant('set' as const) },
    { weight: 3, arbitrary: fc.constant('regenerate' as const) },
    { weight: 2, arbitrary: fc.constantFrom('load' as const, 'fresh' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(
        'destroy' as const,
        'revoke one' as const,
        'revoke others' as const,
        'revoke all' as const,
      ),
    },
  ),
  server,
  user: fc.constantFrom(0, 1),
  device: fc.constantFrom(0, 1),
})
type Command = typeof command extends fc.Arbitrary<infer Value> ? Value : never

/** What one session went through, by the account of its clients. */
interface Account {
  readonly principal: string
  readonly browser: Browser
  readonly handle: string
  /** Every cookie that any answer set. */
  readonly cookies: Set<string>
  /** Changes that were acknowledged, and those of which nobody can say. */
  readonly updates: Set<string>
  readonly doubtful: Set<string>
  readonly notes: Set<number>
  /** When its end was acknowledged, by `performance.now`. */
  endedAt: number | undefined
  /** Its end was attempted, so nothing is promised of its changes. */
  endBegun: boolean
}

for (const { title, needs, bound, start } of storeKinds) {
  describeWith(needs, `createSessions() over ${title}`, () => {
    let fleet: StoreFleet
    let tap: Tap = (_method, next) => next()
    const opened: OpenStore[] = []
    const servers: Sessions[] = []
    const at = (index: number): Sessions => servers[index] as Sessions

    beforeAll(async () => {
      fleet = await start()
      for (const index of [0, 1]) {
        opened.push(await fleet.open((method, next) => tap(method, next), index))
        servers.push(openSessions((opened[index] as OpenStore).store))
      }
    }, 60_000)

    afterAll(async () => {
      for (const sessions of servers) sessions.close()
      for (const { close } of opened) await close()
      await fleet?.close()
    })

    it('holds its promises in random schedules with answers that get lost', async () => {
      const ended: Account[] = []
      let survivors = 0

      await fc.assert(
        fc.asyncProperty(
          fc.array(command, { minLength: 4, maxLength: 14 }),
          fc.scheduler(),
          fates,
          async (commands, scheduler, chances) => {
            const accounts = await openAccounts(servers)
            tap = createTap(scheduler, chances)
            const clients = [0, 1, 2, 3].map(async (client) => {
              for (const [number, made] of commands.entries()) {
                if (number % 4 === client) await run(servers, accounts, made, number, bound)
              }
            })
            await scheduler.waitFor(Promise.all(clients))
            tap = (_method, next) => next()

            for (const account of accounts.flat()) {
              if (account.endedAt !== undefined) ended.push(account)
              survivors += (await verify(servers, account)) ? 1 : 0
            }
          },
        ),
        { numRuns: RUNS },
      )

      await delay(bound)
      for (const { cookies } of ended) {
        for (const cookie of cookies) {
          for (const sessions of servers) expect(await whoIs(sessions, cookie)).toBeUndefined()
        }
      }
      // Otherwise nothing was held to the promise about changes.
      expect(survivors).toBeGreaterThan(RUNS / 2)
    }, 600_000)

    it('carries every acknowledged change of a visitor through a login', async () => {
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.record({ kind: fc.constantFrom('update', 'set', 'load', 'regenerate'), server }), {
            minLength: 1,
            maxLength: 6,
          }),
          fc.scheduler(),
          async (commands, scheduler) => {
            const principal = mintPrincipal()
            const browser = await createVisitor({ here: at(0) }, [])
            const planted = new Set([browser.id])
            const updates = new Set<string>()
            const notes = new Set<number>()
            tap = createTap(scheduler)

            const user = browser.copy()
            const login = user.visit(at(0), (session) => session.login(principal))
            const requests = commands.map(async ({ kind, server: index }, number) => {
              const request = browser.copy()
              await request.visit(at(index), async (session) => {
                if (session.principal !== undefined || session.superseded || session.isNew) return
                if (kind === 'update') {
                  await session.update('cart', (cart = []) => [...cart, String(number)])
                  updates.add(String(number))
                } else if (kind === 'set') {
                  session.set(`note${number}`, number)
                  await session.commit()
                  notes.add(number)
                } else if (kind === 'regenerate') await session.regenerate()
              })
              planted.add(request.id)
            })
            const settled = Promise.allSettled(requests)
            await scheduler.waitFor(Promise.all([login, settled]))
            tap = (_method, next) => next()

            for (const result of await settled) {
              if (result.status === 'rejected')
                expect(result.reason).toMatchObject({ code: 'ERR_SESSION_SUPERSEDED' })
            }
            planted.delete(user.id)
            for (const cookie of planted) {
              const { session } = await createBrowser(cookie).begin(at(1))
              await session.fresh()
              expect(session.principal, 'an id from before').toBeUndefined()
            }
            const { session } = await user.begin(at(1))
            expect(session.principal).toBe(principal)
            expect([...(session.get('cart') ?? [])].sort()).toEqual([...updates].sort())
            for (const number of notes) expect(session.get(`note${number}`)).toBe(number)
          },
        ),
        { numRuns: RUNS },
      )
    }, 600_000)

    it('keeps 200 parallel additions to a cart, from 20 browsers on two servers', async () => {
      const browser = await createVisitor({ here: at(0) }, [])
      await browser.visit(at(0), (session) => session.login(mintPrincipal()))

      await Promise.all(
        Array.from({ length: 20 }, async (_, client) => {
          const own = browser.copy()
          for (let number = 0; number < 10; number++) {
            await own.visit(at((client + number) % 2), async (session) => {
              await session.update('cart', (cart = []) => [...cart, `${client}-${number}`])
            })
          }
        }),
      )

      const { session } = await browser.begin(at(1))
      await session.fresh()
      expect(new Set(session.get('cart')).size).toBe(200)
      expect(session.get('cart')).toHaveLength(200)
    }, 60_000)

    it('adopts no id that it did not mint, and gives nobody the session of another', async () => {
      const forged = Array.from({ length: 8 }, () => randomBytes(32).toString('base64url'))
      const users = await Promise.all(
        forged.map(async (id, index) => {
          const browser = createBrowser(id)
          const principal = mintPrincipal()
          await browser.visit(at(index % 2), (session) => session.set('cart', [principal]))
          await browser.visit(at((index + 1) % 2), (session) => session.login(principal))
          return { browser, principal }
        }),
      )

      for (const [index, { browser, principal }] of users.entries()) {
        expect(browser.id?.slice(0, 43)).not.toBe(forged[index])
        expect(await whoIs(at(1), forged[index])).toBeUndefined()
        const { session } = await browser.begin(at(index % 2))
        expect([session.principal, session.get('cart')]).toEqual([principal, [principal]])
      }
    })
  })
}

/** A manager whose deadlines are not what these tests are about: a busy machine must not miss them. */
function openSessions(store: FleetStore): Sessions {
  const options = { storeTimeout: '20s', development: true } as const
  // The tests below list nothing, which is all that a store like memcached cannot do.
  return createSessions<Shop>(store as never, options)
}

/** Lets the scheduler order the calls, and takes the fate of each from a list. */
function createTap(scheduler: fc.Scheduler, chances?: Iterator<Fate>): Tap {
  return async (method, next) => {
    await scheduler.schedule(Promise.resolve(), method)
    const what = (chances?.next().value as Fate | undefined) ?? 'answered'
    if (what === 'lost on the way') throw new StoreUnavailableError('The call was lost')
    const answer = await next()
    if (what === 'answer lost') throw new StoreUnavailableError('The answer was lost')
    return answer
  }
}

function mintPrincipal(): string {
  return `user-${randomBytes(9).toString('base64url')}`
}

/** Two users with two devices each. */
async function openAccounts(servers: readonly Sessions[]): Promise<readonly Account[][]> {
  return await Promise.all(
    [0, 1].map(async () => {
      const principal = mintPrincipal()
      return await Promise.all(
        servers.map(async (sessions) => {
          const browser = createBrowser()
          const visit = await browser.visit(sessions, (session) => session.login(principal))
          return {
            principal,
            browser,
            handle: visit.session.handle ?? '',
            cookies: new Set([browser.id ?? '']),
            updates: new Set<string>(),
            doubtful: new Set<string>(),
            notes: new Set<number>(),
            endedAt: undefined,
            endBegun: false,
          }
        }),
      )
    }),
  )
}

async function run(
  servers: readonly Sessions[],
  accounts: readonly Account[][],
  made: Command,
  number: number,
  bound: number,
): Promise<void> {
  const sessions = servers[made.server] as Sessions
  const own = accounts[made.user] as Account[]
  const account = own[made.device] as Account
  try {
    if (made.kind.startsWith('revoke')) await revoke(sessions, own, account, made.kind)
    else await visit(sessions, servers[1 - made.server] as Sessions, account, made.kind, number, bound)
  } catch (error) {
    // The application answers 503; what became of the request, nobody can say.
    if (!(error instanceof StoreUnavailableError)) throw error
  }
}

async function revoke(
  sessions: Sessions,
  own: readonly Account[],
  account: Account,
  kind: Command['kind'],
): Promise<void> {
  const { principal, handle } = account
  const others = own.filter((other) => other !== account)
  const hit = { 'revoke one': [account], 'revoke others': others }[kind as string] ?? own
  for (const one of hit) one.endBegun = true
  // Where a user's sessions are not listed, one that stays ends all the same when it gets a new id at that moment.
  if (kind === 'revoke others' && !('list' in sessions.of(principal))) account.endBegun = true
  if (kind === 'revoke one') await sessions.revoke(handle)
  else if (kind === 'revoke all') await sessions.of(principal).revoke()
  else await sessions.of(principal).revoke({ except: { handle } })
  for (const one of hit) one.endedAt ??= performance.now()
}

async function visit(
  sessions: Sessions,
  others: Sessions,
  account: Account,
  kind: Command['kind'],
  number: number,
  bound: number,
): Promise<void> {
  const { principal, browser, cookies } = account
  const request = browser.copy()
  const startedAt = performance.now()
  const endedAt = account.endedAt ?? Number.POSITIVE_INFINITY
  const item = String(number)
  let added = false
  if (kind === 'destroy') account.endBegun = true
  if (kind === 'update') account.doubtful.add(item)
  await request.visit(sessions, async (session) => {
    if (session.principal === undefined) return
    expect(session.principal).toBe(principal)
    expect(startedAt, 'alive after an acknowledged end').toBeLessThan(endedAt + bound + (bound && SLACK))
    if (kind === 'update') {
      const stored = await session.update('cart', (cart = []) => [...cart, item])
      added = stored !== undefined
      if (added) account.updates.add(item)
    } else if (kind === 'set') {
      session.set(`note${number}`, number)
      if ((await session.commit()) === 'written') account.notes.add(number)
    } else if (kind === 'regenerate') await session.regenerate()
    else if (kind === 'fresh') {
      const isThere = await session.fresh()
      if (isThere) expect(startedAt, 'fresh, and revoked before').toBeLessThan(endedAt)
    } else if (kind === 'destroy') {
      await session.destroy()
      account.endedAt ??= performance.now()
    }
  })
  if (request.id === undefined) return
  cookies.add(request.id)
  browser.cookies.set('__Host-session', request.id)
  if (!added || account.endBegun) return
  // Whoever has the answer sees what it acknowledged, on any server.
  const next = await request.copy().begin(others)
  if (!account.endBegun) expect(next.session.get('cart')).toContain(item)
}

/** @returns Whether the session lives. */
async function verify(servers: readonly Sessions[], account: Account): Promise<boolean> {
  const { principal, updates, doubtful, notes, endBegun, endedAt } = account
  for (const cookie of account.cookies) {
    for (const sessions of servers) {
      const { session } = await createBrowser(cookie).begin(sessions)
      await session.fresh()
      if (endedAt !== undefined) expect(session.principal, 'alive after an acknowledged end').toBeUndefined()
      if (endBegun) continue
      expect(session.principal, 'an id within its grace was logged out').toBe(principal)
      const cart = session.get('cart') ?? []
      expect(new Set(cart).size, 'applied twice').toBe(cart.length)
      for (const item of updates) expect(cart, 'a lost update').toContain(item)
      for (const item of cart) expect(doubtful, 'never added').toContain(item)
      for (const number of notes) expect(session.get(`note${number}`), 'a lost change').toBe(number)
    }
  }
  return !endBegun
}
