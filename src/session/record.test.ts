import { describe, expect, it } from 'vitest'
import { type StoredSession } from 'coatcheck'
import {
  createBrowser,
  createTrial,
  createVisitor,
  listen,
  type Shop,
} from '../../test/support/session-trial.ts'

describe('what other versions of this package or application wrote', () => {
  it('is kept over writes, rotation and login: attributes and fields that are not known here', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)
    const key = session.handle ?? ''
    const stored = await trial.store.read(key)
    const data = { a: { theirs: { deep: [1] } }, newer: { field: true } }
    await trial.store.write(key, stored?.version ?? 0, {
      ...(stored as StoredSession),
      data: JSON.stringify(data),
    })

    await browser.visit(trial.here, (session) => session.update('count', () => 1))
    await browser.visit(trial.there, (session) => session.regenerate())
    await browser.visit(trial.here, (session) => session.login('ada'))

    const [record] = await trial.store.list('ada')
    expect(JSON.parse(record?.data ?? '')).toMatchObject({
      a: { theirs: { deep: [1] }, count: 1 },
      newer: { field: true },
    })
  })

  it.for([
    ['text that is not JSON', '{"a":'],
    ['JSON that is no object', '[]'],
    ['an object that is no session', '{"x":1}'],
    ['attributes that are no object', '{"a":[1]}'],
  ] as const)('is set aside when it is %s, and its visitor starts anew', async ([, data]) => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const old = browser.id
    const { session } = await browser.begin(trial.here)
    const key = session.handle ?? ''
    const stored = await trial.store.read(key)
    await trial.store.write(key, stored?.version ?? 0, { ...(stored as StoredSession), data })
    const happened = listen(trial.here)

    const first = await browser.visit(trial.here, (session) => session.set('count', 1))
    const second = await browser.visit(trial.here)

    expect(happened).toEqual([
      { name: 'corrupt', event: { handle: key } },
      { name: 'created', event: { handle: first.session.handle, principal: undefined } },
    ])
    expect(browser.id).not.toBe(old)
    expect([second.session.get('count'), second.session.get('cart')]).toEqual([1, undefined])
    expect(trial.store.count('quarantine')).toBe(1)
  })

  it('is told to a late writer as gone when it was damaged meanwhile', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)
    const key = session.handle ?? ''
    const stored = await trial.store.read(key)
    await trial.store.write(key, stored?.version ?? 0, { ...(stored as StoredSession), data: '?' })

    const updated = await session.update('count', () => 1)

    expect([updated, session.isNew]).toEqual([undefined, true])
  })
})

describe('attributes with names of Object.prototype', () => {
  it.for(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])(
    'treats %s as any other',
    async (name) => {
      const trial = createTrial()
      const browser = createBrowser()
      const key = name as keyof Shop & 'lang'

      await browser.visit(trial.here, async (session) => {
        expect([session.get(key), session.has(key)]).toEqual([undefined, false])
        session.set(key, 'mine')
        await session.update(
          'profile',
          () => JSON.parse('{"name":"a","tags":[],"__proto__":{"x":1}}') as never,
        )
      })

      const { session } = await browser.begin(trial.there)
      expect(session.get(key)).toBe('mine')
      expect(Object.keys(session.get('profile') ?? {})).toEqual(['name', 'tags', '__proto__'])
      expect(({} as { x?: number }).x).toBeUndefined()
    },
  )
})
