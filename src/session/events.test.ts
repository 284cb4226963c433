import { afterEach, describe, expect, it, vi } from 'vitest'
import { createSessions, type SessionStore, type SessionsOptions } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  createBrowser,
  createTrial,
  createUser,
  createVisitor,
  type Happening,
  listen,
  type Shop,
} from '../../test/support/session-trial.ts'

const MINUTE = 60_000

afterEach(() => vi.restoreAllMocks())

describe('Sessions.on()', () => {
  it('tells the life of a session, each step once, by handle and user', async () => {
    const trial = createTrial()
    const happened: Happening[] = listen(trial.here)
    const browser = createBrowser()
    const visit = async (step: Parameters<typeof browser.visit>[1]) =>
      (await browser.visit(trial.here, step)).session.handle

    const created = await visit((session) => session.set('count', 1))
    await visit((session) => session.set('count', 2))
    const login = await visit((session) => session.login('ada'))
    const rotated = await visit((session) => session.regenerate())
    await visit((session) => session.destroy())

    expect(happened).toEqual([
      { name: 'created', event: { handle: created, principal: undefined } },
      { name: 'login', event: { handle: login, principal: 'ada', previous: created } },
      { name: 'rotated', event: { handle: rotated, principal: 'ada', previous: login } },
      { name: 'destroyed', event: { handle: rotated, principal: 'ada' } },
    ])
  })

  it('tells a login without a session before as one', async () => {
    const trial = createTrial()
    const happened = listen(trial.here)

    const { session } = await createBrowser().visit(trial.here, (session) => session.login('ada'))

    expect(happened).toEqual([
      { name: 'login', event: { handle: session.handle, principal: 'ada', previous: undefined } },
    ])
  })

  it('tells who ended a session', async () => {
    const trial = createTrial()
    const handles: (string | undefined)[] = []
    for (let at = 0; at < 3; at++) {
      const browser = await createUser(trial)
      handles.push((await browser.begin(trial.here)).session.handle)
    }
    const happened = listen(trial.here)

    await trial.here.revoke(handles[0] ?? '')
    await trial.here.of('ada').revoke(handles[1])
    await trial.here.of('ada').revoke()

    expect(happened).toEqual(
      handles.map((handle, at) => ({
        name: 'revoked',
        event: { handle, principal: 'ada', by: at === 0 ? 'operator' : 'user' },
      })),
    )
  })

  it("tells that another user's session ended with a login", async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const ada = (await browser.begin(trial.here)).session.handle
    const happened = listen(trial.here)

    await browser.visit(trial.here, (session) => session.login('eve'))

    expect(happened.filter(({ event }) => 'handle' in event && event.handle === ada)).toHaveLength(1)
  })

  it('tells nothing of a session that only was read', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    const happened = listen(trial.here)
    trial.elapse(5 * MINUTE)

    await browser.visit(trial.here)

    expect(happened).toEqual([])
  })

  it('tells nobody of an old id that ran out: its session lives', async () => {
    const trial = createTrial()
    const browser = await createUser(trial)
    await browser.visit(trial.here, (session) => session.regenerate())
    const happened = listen(trial.here)
    trial.elapse(MINUTE)

    await trial.here.sweep()

    expect(happened).toEqual([])
  })

  it('tells a damaged record once, though parallel requests met it', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)
    const stored = await trial.store.read(session.handle ?? '')
    if (stored) await trial.store.write(stored.key, stored.version, { ...stored, data: '?' })
    const happened = listen(trial.here)

    await Promise.all(Array.from({ length: 10 }, () => browser.copy().begin(trial.here)))

    expect(happened).toEqual([{ name: 'corrupt', event: { handle: session.handle } }])
  })

  it('tells what a full store dropped', async () => {
    let time = 0
    const store = createMemoryStore({ maxSessions: 2, now: () => time })
    const sessions = createSessions<Shop>(store, { now: () => time })
    const happened = listen(sessions)
    const trial = { here: sessions }

    await createVisitor(trial)
    time += MINUTE
    await createUser(trial)
    await createUser(trial, 'eve')

    expect(happened.filter(({ name }) => name === 'evicted')).toEqual([
      { name: 'evicted', event: { handle: expect.any(String) as unknown, principal: undefined } },
    ])
    sessions.close()
  })

  it('does not let a listener that throws disturb the request or other listeners', async () => {
    const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined)
    const trial = createTrial()
    const calls: string[] = []
    trial.here.on('created', () => {
      throw new Error('no disk')
    })
    trial.here.on('created', ({ handle }) => calls.push(handle))

    const { session } = await createBrowser().visit(trial.here, (session) => session.set('count', 1))

    expect(calls).toEqual([session.handle])
    expect(warn).toHaveBeenCalledWith(
      "A listener of the session event 'created' failed: Error: no disk",
      'CoatcheckWarning',
    )
  })

  it('stops telling who unsubscribed', async () => {
    const trial = createTrial()
    const listener = vi.fn<() => void>()
    const stop = trial.here.on('created', listener)
    await createVisitor(trial)
    stop()

    await createVisitor(trial)

    expect(listener).toHaveBeenCalledTimes(1)
  })
})

describe('Sessions.of()', () => {
  it('lists the sessions of a user, last used first, and of nobody else', async () => {
    const trial = createTrial()
    const first = await createUser(trial)
    trial.elapse(MINUTE)
    await createUser(trial)
    await createUser(trial, 'eve')
    trial.elapse(5 * MINUTE)
    await first.visit(trial.there, (session) => session.set('count', 1))

    const listed = await trial.here.of('ada').list()

    expect(listed.map(({ createdAt }) => trial.now() - createdAt)).toEqual([6 * MINUTE, 5 * MINUTE])
    expect(listed.map(({ lastSeenAt }) => trial.now() - lastSeenAt)).toEqual([0, 5 * MINUTE])
  })

  it('has nothing for nobody', async () => {
    const trial = createTrial()
    await createVisitor(trial)

    expect(await trial.here.of(undefined).list()).toEqual([])
    expect(await trial.here.of(undefined).revoke()).toBe(0)
    expect(await trial.here.of('').list()).toEqual([])
    expect(trial.store.count('delete')).toBe(0)
  })
})

describe('createSessions()', () => {
  it.for([
    [{ outage: 'maybe' }, "outage must be 'fail', 'anonymous' or 'stale': received \"maybe\""],
    [{ sessionLimit: 0 }, 'sessionLimit must be a whole number > 0: received 0'],
    [{ sessionLimit: 1.5 }, 'sessionLimit must be a whole number > 0: received 1.5'],
    [{ storeTimeout: 0 }, 'storeTimeout must be > 0: received 0'],
    [{ regenerateGrace: '-1s' }, 'regenerateGrace must be > 0: received -1s'],
    [
      { regenerateInterval: 'soon' },
      'regenerateInterval must be a number of milliseconds or a text like \'30m\': received "soon"',
    ],
    [{ sweepInterval: 0 }, 'sweepInterval must be > 0: received 0'],
    [{ idleTimeout: -5 }, 'idleTimeout must be > 0: received -5'],
  ] as const)('refuses %j', ([options, reason]) => {
    expect(() => createSessions(createMemoryStore(), options as SessionsOptions)).toThrow(
      `Cannot create a session manager ${reason.startsWith('as') ? '' : 'as '}${reason}`,
    )
  })

  it('refuses a limit per user on a store that cannot find sessions by user, by type and in words', () => {
    const { list: _, ...plain } = createMemoryStore()
    const store: SessionStore = plain

    // @ts-expect-error -- sessionLimit needs an indexed store
    expect(() => createSessions(store, { sessionLimit: 3 })).toThrow(
      'Cannot create a session manager with a sessionLimit as the memory store cannot find sessions by user',
    )
    const sessions = createSessions<Shop>(store)
    // @ts-expect-error -- of() needs an indexed store
    expect(sessions.of).toBeUndefined()
    sessions.close()
  })
})
