import { describe, expect, it } from 'vitest'
import { createFakeFeed, tellChanges } from '../../test/support/fake-feed.ts'
import { createMemoryStore } from '../stores/memory.ts'
import { createNearCache } from '../stores/near-cache.ts'
import type { SessionRecord } from '../stores/store.ts'
import { missingFault, nearCacheContract, type NearCacheTrial } from './near-cache-contract.ts'

const BOUND = 1_500

/** What feeds get wrong, each by name. */
const mistakes = [
  'tells no changes',
  'tells touches',
  'tells no wipe',
  'tells no break',
  'echoes by a shortcut',
] as const
type Mistake = (typeof mistakes)[number]

/** Two caches with a channel each on one memory store, with one mistake. */
function createTrial(mistake?: Mistake): NearCacheTrial {
  const has = (name: Mistake) => mistake === name
  const fakes = [createFakeFeed(true), createFakeFeed(true)]
  const memory = createMemoryStore()
  const keys = new Set<string>()
  let isSilent = false
  const store = fakes.reduce(
    (inner, fake) => tellChanges(inner, has('tells no changes') ? createFakeFeed() : fake),
    {
      ...memory,
      async create(key: string, record: SessionRecord) {
        keys.add(key)
        return memory.create(key, record)
      },
      async touch(key: string, lastSeenAt: number, expiresAt: number) {
        if (has('tells touches')) for (const fake of fakes) fake.change(key)
        return memory.touch(key, lastSeenAt, expiresAt)
      },
    },
  )
  const [here, there] = fakes.map(({ feed }) =>
    createNearCache(
      store,
      {
        name: 'fake',
        subscribe(listener) {
          const subscription = feed.subscribe(listener)
          const shortcut = async (nonce: string) => void (isSilent && listener.echoed(nonce))
          return {
            ...subscription,
            echo: (nonce) =>
              has('echoes by a shortcut') && isSilent ? shortcut(nonce) : subscription.echo(nonce),
          }
        },
      },
      { bound: BOUND },
    ),
  )
  if (!here || !there) throw new Error('There must be two')
  return {
    here,
    there,
    store,
    bound: BOUND,
    now: Date.now,
    async wipe() {
      for (const key of keys) await memory.delete(key)
      if (!has('tells no wipe')) for (const fake of fakes) fake.changeAll()
    },
    async sever() {
      if (has('tells no break')) return
      fakes[0]?.lose()
    },
    async silence() {
      isSilent = true
      fakes[0]?.cut()
    },
    async heal() {
      isSilent = false
      // A channel that lost something says so before it goes on.
      fakes[0]?.lose()
      fakes[0]?.reconnect()
    },
  }
}

describe('nearCacheContract', () => {
  for (const clause of nearCacheContract) {
    it.concurrent(`accepts a sound feed: ${clause.title}`, { timeout: 30_000 }, async ({ expect }) => {
      const trial = createTrial()

      expect(missingFault(clause, trial)).toBeUndefined()
      await clause.verify(trial)
    })
  }

  it.concurrent.each(mistakes)(
    'catches a feed that %s',
    async (mistake) => {
      const results = await Promise.allSettled(
        nearCacheContract.map(({ verify }) => verify(createTrial(mistake))),
      )

      expect(results.filter(({ status }) => status === 'rejected')).not.toEqual([])
    },
    60_000,
  )

  it('titles each clause differently', () => {
    const titles = nearCacheContract.map(({ title }) => title)

    expect(new Set(titles).size).toBe(titles.length)
  })
})
