import fc from 'fast-check'
import { describe, expect, expectTypeOf, it } from 'vitest'
import { type DeepReadonly, createSessions, type Session } from 'coatcheck'
import { createMemoryStore } from 'coatcheck/stores/memory'
import { createBrowser, createTrial, createVisitor, type Shop } from '../../test/support/session-trial.ts'
import { applyChanges, readAttribute, snapshotValue } from './attributes.ts'

class Coat {
  readonly size = 'L'
}

describe('snapshotValue()', () => {
  it.for([
    [new Date(0), 'a Date (store its getTime() or toISOString()) does not survive JSON'],
    [new Map(), 'a Map (store Array.from() of it) does not survive JSON'],
    [new Set([1]), 'a Set (store Array.from() of it) does not survive JSON'],
    [Number.NaN, 'NaN does not survive JSON'],
    [Number.POSITIVE_INFINITY, 'Infinity does not survive JSON'],
    [1n, 'a value of type bigint does not survive JSON'],
    [Symbol('x'), 'a value of type symbol does not survive JSON'],
    [() => 1, 'a value of type function does not survive JSON'],
    [new Coat(), 'an instance of Coat does not survive JSON'],
    [new Uint8Array(2), 'an instance of Uint8Array does not survive JSON'],
    [[1, undefined], 'a value of type undefined does not survive JSON'],
    // oxlint-disable-next-line no-sparse-arrays -- a hole is what is refused
    [[1, , 2], 'a value of type undefined does not survive JSON'],
    [{ toJSON: () => 1 }, 'a value of type function does not survive JSON'],
  ] as const)('refuses %s, at the top and inside', ([value, reason]) => {
    for (const nested of [value, [value], { deep: { deeper: value } }]) {
      expect(() => snapshotValue('coat', nested)).toThrow(
        new TypeError(`Cannot store session attribute 'coat' as ${reason}`),
      )
    }
  })

  it('refuses an object of a prototype that has no constructor', () => {
    const odd: unknown = Object.create(Object.create(null) as object)

    expect(() => snapshotValue('coat', odd)).toThrow(/^Cannot store session attribute 'coat' as /)
  })

  it('refuses what refers to itself', () => {
    const cycle: { self?: unknown } = {}
    cycle.self = [cycle]

    expect(() => snapshotValue('coat', cycle)).toThrow(
      "Cannot store session attribute 'coat' as it is nested too deeply or refers to itself",
    )
  })

  it('copies and freezes every JSON value to its depth, so that it comes back as it went', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 4 }), (value) => {
        const copy = snapshotValue('any', value)

        expect(JSON.stringify(copy)).toBe(JSON.stringify(value))
        expect(isFrozen(copy)).toBe(true)
      }),
    )
  })

  it('drops attributes of an object that are undefined, as JSON does', () => {
    expect(snapshotValue('any', { a: undefined, b: null })).toEqual({ b: null })
  })
})

describe('applyChanges()', () => {
  it('treats every name as an attribute and none as a prototype', () => {
    fc.assert(
      fc.property(
        fc.dictionary(fc.oneof(fc.constantFrom('__proto__', 'constructor'), fc.string()), fc.nat()),
        (set) => {
          const changes = Object.entries(set).map(([key, value]) => ({ key, value }))

          const attributes = applyChanges({}, changes)

          for (const [key, value] of Object.entries(set)) expect(readAttribute(attributes, key)).toBe(value)
          expect(Object.keys(attributes).sort()).toEqual(Object.keys(set).sort())
        },
      ),
    )
  })
})

describe('Session.set()', () => {
  it('copies, so that later changes to the original do not reach the session', async () => {
    const trial = createTrial()
    const browser = createBrowser()
    const profile = { name: 'Ada', tags: ['new'] }

    await browser.visit(trial.here, async (session) => {
      session.set('profile', profile)
      profile.tags.push('changed')
      await session.commit()
      profile.name = 'Eve'
      expect(session.get('profile')).toEqual({ name: 'Ada', tags: ['new'] })
    })

    expect((await browser.begin(trial.there)).session.get('profile')).toEqual({ name: 'Ada', tags: ['new'] })
  })

  it('does not let what update returned reach the session later', async () => {
    const trial = createTrial()
    const browser = createBrowser()
    const cart = ['coat']

    await browser.visit(trial.here, async (session) => {
      await session.update('cart', () => cart)
      cart.push('hat')
      await session.update('count', () => 1)
    })

    expect((await browser.begin(trial.there)).session.get('cart')).toEqual(['coat'])
  })

  it('gives values that are frozen to their depth, stored or not', async () => {
    const trial = createTrial()
    const browser = createBrowser()
    const profile = { name: 'Ada', tags: ['new'] }

    const { session } = await browser.visit(trial.here, (session) => {
      session.set('profile', profile)
      expect(isFrozen(session.get('profile'))).toBe(true)
    })

    expect(isFrozen(session.get('profile'))).toBe(true)
    const loaded = await browser.begin(trial.there)
    expect(isFrozen(loaded.session.get('profile'))).toBe(true)
    await loaded.session.update('profile', (current) => {
      expect(isFrozen(current)).toBe(true)
      return current
    })
    expect(Object.isFrozen(profile.tags)).toBe(false)
  })

  it('stores nothing when a value is refused', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)

    await browser.visit(trial.here, (session) => {
      expect(() => session.set('count', Number.NaN)).toThrow(TypeError)
    })

    expect(trial.store.count('write')).toBe(0)
  })
})

describe('the types of a session', () => {
  const sessions = createSessions<Shop>(createMemoryStore())

  it('follow the application without any declaration', () => {
    type Loaded = Awaited<ReturnType<typeof sessions.load>>

    expectTypeOf<Loaded>().toEqualTypeOf<Session<Shop>>()
    expectTypeOf<Loaded['get']>().toBeCallableWith('cart')
    expectTypeOf((session: Loaded) => session.get('cart')).returns.toEqualTypeOf<
      readonly string[] | undefined
    >()
    expectTypeOf((session: Loaded) => session.get('profile')).returns.toEqualTypeOf<
      { readonly name: string; readonly tags: readonly string[] } | undefined
    >()
    expectTypeOf((session: Loaded) =>
      session.update('count', (count = 0) => count + 1),
    ).returns.resolves.toEqualTypeOf<number | undefined>()
    expectTypeOf<DeepReadonly<Map<string, number[]>>>().not.toBeAny()
  })

  it('refuse changes in place and wrong names and types', async () => {
    const trial = createTrial()
    const browser = await createVisitor(trial)
    const { session } = await browser.begin(trial.here)

    // @ts-expect-error -- values are read-only
    expect(() => session.get('cart')?.push('hat')).toThrow(TypeError)
    // @ts-expect-error -- not an attribute
    expect(session.get('nothing')).toBeUndefined()
    // @ts-expect-error -- not its type
    session.set('count', 'one')
    // @ts-expect-error -- not its type
    await session.update('cart', () => 7)
    // @ts-expect-error -- an update is synchronous
    await expect(session.update('count', async () => 1)).rejects.toThrow(TypeError)
  })
})

function isFrozen(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  return Object.isFrozen(value) && Object.values(value).every(isFrozen)
}
