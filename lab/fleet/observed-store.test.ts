import { createSessions, type Sessions } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { describe, expect, it } from 'vitest'
import { observeStore } from './observed-store.ts'
import type { SessionChange } from './server-messages.ts'

function createTrial() {
  let time = Date.UTC(2026, 0, 1)
  const changes: SessionChange[] = []
  const store = observeStore(createMemoryStore({ now: () => time }), (change) => changes.push(change))
  const record = {
    data: '{}',
    principal: undefined,
    createdAt: time,
    lastSeenAt: time,
    expiresAt: time + 1_000,
  }
  return {
    store,
    record,
    /** What was reported since the last call. */
    reported: () => changes.splice(0),
    elapse: (milliseconds: number) => {
      time += milliseconds
    },
  }
}

describe('observeStore()', () => {
  it('reports a session that is created, and the user once there is one', async () => {
    const { store, record, reported } = createTrial()

    await store.create('key', record)
    const created = reported()
    await store.write('key', 1, { ...record, principal: 'ada' })
    const written = reported()

    expect(created).toEqual([{ type: 'held', handle: 'key', principal: undefined }])
    expect(written).toEqual([{ type: 'held', handle: 'key', principal: 'ada' }])
  })

  it('reports a session that was only read', async () => {
    const { store, record, reported } = createTrial()
    await store.create('key', { ...record, principal: 'ada' })
    reported()

    const session = await store.read('key')

    expect(session).toMatchObject({ key: 'key', principal: 'ada' })
    expect(reported()).toEqual([{ type: 'held', handle: 'key', principal: 'ada' }])
  })

  it('reports a session that was deleted, and one that is found to have expired', async () => {
    const { store, record, reported, elapse } = createTrial()
    await store.create('deleted', record)
    await store.create('expired', record)
    reported()

    await store.delete('deleted')
    elapse(1_000)
    await store.read('expired')

    expect(reported()).toEqual([
      { type: 'gone', handle: 'deleted' },
      { type: 'gone', handle: 'expired' },
    ])
  })

  it('does not report what stays behind where a session has moved to another id', async () => {
    const { store, reported } = createTrial()
    const sessions = createSessions<{ cart: string[] }>(store, { allowInsecureCookie: true })
    const request = attachRequest(sessions)
    const session = await sessions.load(request)
    await session.update('cart', (cart = []) => [...cart, 'apple'])
    const visitor = session.handle

    await session.login('ada')
    const user = session.handle
    const changes = new Map(reported().map((change) => [change.handle, change.type]))
    sessions.close()

    expect(visitor).not.toBe(user)
    expect(changes).toEqual(
      new Map([
        [visitor, 'gone'],
        [user, 'held'],
      ]),
    )
  })

  it('keeps silent about a write that stored nothing', async () => {
    const { store, record, reported } = createTrial()
    await store.create('key', record)
    reported()

    const conflict = await store.create('key', { ...record, principal: 'eve' })
    const gone = await store.write('nothing', 1, { ...record, principal: 'eve' })

    expect([conflict.outcome, gone.outcome]).toEqual(['conflict', 'gone'])
    expect(reported()).toEqual([])
  })

  it('offers the optional methods of the store that it wraps, and no others', () => {
    const store = createMemoryStore()

    const observed = observeStore(store, () => undefined)

    expect(Object.keys(observed).sort()).toEqual(Object.keys(store).sort())
  })
})

/** Ties a new request to a session manager, as an adapter does. */
function attachRequest(sessions: Pick<Sessions<never>, 'attach'>): object {
  const request = {}
  sessions.attach(request, {
    header: () => undefined,
    secure: false,
    path: '/',
    address: '127.0.0.1',
    headersSent: false,
    responseHeader: () => undefined,
    setResponseHeader: () => undefined,
    appendCookie: () => undefined,
    beforeHeaders: () => true,
  })
  return request
}
