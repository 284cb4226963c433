import { describe, expect, it } from 'vitest'
import { createSessions } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import {
  createTrial,
  createVisitor,
  FakeExchange,
  load,
  type Shop,
} from '../../test/support/session-trial.ts'

const NAME = '__Host-session'
const OTHER = 'B'.repeat(43)

describe('Sessions.explain()', () => {
  it.for([
    [undefined, 'The request carries no cookie at all, so none named __Host-session.'],
    ['a=1', 'The request carries no cookie named __Host-session.'],
    [
      `session=${OTHER}`,
      'The request carries the cookie session, which is not __Host-session: the prefix depends on https, and names match exactly.',
    ],
    [
      `${NAME}=short`,
      'The cookie __Host-session is not a session id: 43 characters of base64url are expected.',
    ],
    [
      `${NAME}=${OTHER}`,
      'The cookie __Host-session names no session of this store: it was never minted here, or it expired, or it was ended. These look alike on purpose.',
    ],
  ] as const)('says of %s: %s', async ([cookie, line]) => {
    const trial = createTrial()
    const exchange = new FakeExchange(cookie === undefined ? {} : { cookie })
    await load(trial.here, exchange)

    const lines = await trial.here.explain(exchange)

    expect(lines).toEqual([
      line,
      'No cookie is set unless the session is changed: a visitor who stores nothing gets none.',
    ])
  })

  it('says when the cookie was accepted, when others came along, and when the answer has begun', async () => {
    const trial = createTrial()
    const { id } = await createVisitor(trial)
    const exchange = new FakeExchange({ cookie: `${NAME}=${OTHER}; ${NAME}=${id}` })
    await load(trial.here, exchange)
    await exchange.end()

    expect(await trial.here.explain(exchange)).toEqual([
      'The cookie __Host-session was accepted. Other cookies of this name came along; they are expired.',
      'The answer has begun, so no cookie can be set any more.',
    ])
  })

  it('says when the record was damaged', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)
    const stored = await trial.store.read(session.handle ?? '')
    if (stored) await trial.store.write(stored.key, stored.version, { ...stored, data: '?' })
    const { exchange } = await browser.begin(trial.here)

    expect((await trial.here.explain(exchange))[0]).toBe(
      'The session behind the cookie __Host-session could not be decoded; its record was set aside and its visitor starts anew.',
    )
  })

  it('refuses a request that no adapter saw, saying what to do', async () => {
    const sessions = createSessions<Shop>(createMemoryStore())

    await expect(async () => sessions.load({})).rejects.toThrow(
      'Cannot load a session as no adapter saw this request: add one before the handler, such as app.use(expressSessions(sessions))',
    )
    sessions.close()
  })
})
