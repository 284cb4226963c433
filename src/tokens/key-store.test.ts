import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createMemoryStore } from '../stores/memory.ts'
import { type SessionStore, StoreUnavailableError } from '../stores/store.ts'
import { createKeyStore, type KeyStoreOptions } from './key-store.ts'
import type { KeySet } from './key-set.ts'
import { recordKeyOf } from './key-store/document.ts'
import { createTokens } from './tokens.ts'

const START = Date.UTC(2026, 0, 1)
const HOUR = 3_600_000
const DAY = 24 * HOUR
const SECRET = randomBytes(32)
const issuer = 'https://shop.example'

/** A store, and servers on it whose clock the test moves. They look at the store when the test says so. */
function createTrial() {
  let time = START
  const now = () => time
  const memory = createMemoryStore({ now })
  const store: SessionStore = { ...memory, now: async () => time }
  const key = recordKeyOf('tokens')

  async function open(options: Partial<KeyStoreOptions> = {}) {
    const keyStore = await createKeyStore(store, { secrets: [SECRET], interval: '1d', now, ...options })
    onTestFinished(() => keyStore.close())
    const tokens = createTokens({ issuer, audience: 'api', keys: keyStore.keys, now })
    return { keyStore, keys: keyStore.keys, tokens }
  }
  return { store, memory, key, open, now, elapse: (milliseconds: number) => void (time += milliseconds) }
}

const signingKeyOf = (keys: KeySet) => keys.keys().find(({ state }) => state === 'signing')!.kid

const statesOf = ({ keys }: { keys: { keys(): readonly { readonly state: string }[] } }) =>
  keys
    .keys()
    .map(({ state }) => state)
    .sort()

describe('createKeyStore()', () => {
  it('makes one key for all servers that start at once', async () => {
    const { open } = createTrial()

    const servers = await Promise.all(Array.from({ length: 5 }, () => open()))

    const kids = servers.map(({ keys }) => keys.keys().map(({ kid }) => kid))
    expect(new Set(kids.flat()).size).toBe(1)
    const token = servers[0]!.tokens.issue({ sub: 'ada' })
    expect(servers.map(({ tokens }) => tokens.verify(token).ok)).toEqual([true, true, true, true, true])
  })

  it('has the same keys after a restart', async () => {
    const { open } = createTrial()
    const token = (await open()).tokens.issue({ sub: 'ada' })

    const restarted = await open()

    expect(restarted.tokens.verify(token)).toMatchObject({ ok: true })
  })

  it('rotates with all servers, and no token that is in use is ever refused', async () => {
    const { open, elapse } = createTrial()
    const servers = await Promise.all(Array.from({ length: 3 }, () => open({ rotateEvery: '1d' })))
    const issued: { readonly token: string; readonly at: number }[] = []
    const kids = new Set<string>()

    for (let minute = 0; minute < 3 * 24 * 60; minute += 4) {
      const at = minute * 60_000
      // Each server looks at the store when it is its turn, so at any moment some are behind.
      await servers[(minute / 4) % 3]!.keyStore.sync()
      const signer = servers[(minute / 4 + 1) % 3]!
      if (minute % 12 === 0) issued.push({ token: signer.tokens.issue({ sub: 'ada' }), at })
      kids.add(signingKeyOf(signer.keys))
      const inUse = issued.filter(({ at: issuedAt }) => at - issuedAt < 300_000)
      for (const { token } of inUse) {
        expect(servers.map(({ tokens }) => tokens.verify(token).ok)).toEqual([true, true, true])
      }
      elapse(4 * 60_000)
    }

    expect(kids.size).toBe(3)
  })

  it('takes each step of a rotation on one server, and the others pick it up', async () => {
    const { open, elapse } = createTrial()
    const [here, there] = await Promise.all([open(), open()])
    elapse(30 * DAY)

    await Promise.all([here.keyStore.sync(), there.keyStore.sync()])
    const announced = here.keys.keys()
    elapse(HOUR)
    await Promise.all([here.keyStore.sync(), there.keyStore.sync()])

    expect(announced.map(({ state }) => state)).toEqual(['signing', 'announced'])
    expect(here.keys.keys().map(({ state }) => state)).toEqual(['verify-only', 'signing'])
    expect(there.keys.keys()).toEqual(here.keys.keys())
  })

  it('refuses the tokens of a leaked key here at once, and there at the next look, cached or not', async () => {
    const { open } = createTrial()
    const [here, there] = [await open(), await open()]
    const token = here.tokens.issue({ sub: 'ada' })
    expect(there.tokens.verify(token).ok).toBe(true)

    await here.keyStore.retire(signingKeyOf(here.keys))
    const atOnce = here.tokens.verify(token)
    await there.keyStore.sync()

    expect(atOnce.ok).toBe(false)
    expect(there.tokens.verify(token).ok).toBe(false)
    expect(statesOf(here)).toEqual(['retired', 'signing'])
    expect(there.tokens.verify(here.tokens.issue({ sub: 'ada' })).ok).toBe(true)
  })

  it('retires a key that is only announced, and none that it does not know', async () => {
    const { open, elapse } = createTrial()
    const { keyStore, keys } = await open()
    elapse(30 * DAY)
    await keyStore.sync()
    const announced = keys.keys().find(({ state }) => state === 'announced')!

    await keyStore.retire(announced.kid)

    expect(statesOf({ keys })).toEqual(['retired', 'signing'])
    await expect(keyStore.retire('nobody')).rejects.toThrow(RangeError)
  })

  it('looks at the store by itself', async () => {
    const { open } = createTrial()
    const [here, there] = [await open(), await open({ interval: 10 })]
    const token = there.tokens.issue({ sub: 'ada' })

    await here.keyStore.retire(signingKeyOf(here.keys))
    const deadline = performance.now() + 5_000
    while (there.tokens.verify(token).ok && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 5))
    }

    expect(there.tokens.verify(token).ok).toBe(false)
  })

  it('keeps nothing in the store that could sign', async () => {
    const { memory, key, open } = createTrial()
    const { keys } = await open()
    const [{ jwk }] = keys.export() as unknown as [{ jwk: { d: string; x: string } }]

    const stored = JSON.stringify(await memory.read(key))

    expect(stored).not.toContain(jwk.d)
    expect(stored).not.toContain(jwk.x)
    expect(stored).not.toContain(SECRET.toString('base64url'))
  })

  it('does not take keys that somebody wrote into the store', async () => {
    const { memory, key, open } = createTrial()
    const { keyStore, tokens } = await open()
    const token = tokens.issue({ sub: 'ada' })
    const stored = (await memory.read(key))!
    const data = stored.data.replace(/.(?="\}$)/, (last) => (last === 'A' ? 'B' : 'A'))
    await memory.write(key, stored.version, { ...stored, data })

    await expect(keyStore.sync()).rejects.toThrow(/none of secrets decrypts them/)
    expect(tokens.verify(token).ok).toBe(true)
    await expect(open()).rejects.toThrow(TypeError)
  })

  it('does not take the keys of another name', async () => {
    const { memory, key, open } = createTrial()
    await open({ name: 'others' })
    const others = (await memory.read(recordKeyOf('others')))!
    await memory.create(key, others)

    await expect(open()).rejects.toThrow(/none of secrets decrypts them/)
  })

  it('opens with any of its secrets, and encrypts with the first from the next start on', async () => {
    const { open } = createTrial()
    const token = (await open()).tokens.issue({ sub: 'ada' })
    const other = randomBytes(32)

    await open({ secrets: [other, SECRET] })
    const after = await open({ secrets: [other] })

    expect(after.tokens.verify(token).ok).toBe(true)
    await expect(open()).rejects.toThrow(TypeError)
  })

  it('gives a store its keys back that has lost them', async () => {
    const { memory, key, open } = createTrial()
    const { keyStore, tokens } = await open()
    const token = tokens.issue({ sub: 'ada' })
    await memory.delete(key)

    await keyStore.sync()

    expect((await open()).tokens.verify(token).ok).toBe(true)
  })

  it('does not go back to older keys when the store does', async () => {
    const { memory, key, open } = createTrial()
    const { keyStore, tokens, keys } = await open()
    const older = (await memory.read(key))!
    const leaked = tokens.issue({ sub: 'mallory' })
    await keyStore.retire(signingKeyOf(keys))
    const newer = (await memory.read(key))!
    await memory.write(key, newer.version, older)

    await keyStore.sync()

    expect(tokens.verify(leaked).ok).toBe(false)
    expect((await open()).tokens.verify(leaked).ok).toBe(false)
  })

  it('goes on with the keys that it has while the store is away, and tells', async () => {
    const { store, open, now } = createTrial()
    await open()
    const errors: unknown[] = []
    let isAway = false
    const flaky: SessionStore = {
      ...store,
      read: (recordKey) => (isAway ? Promise.reject(new Error('away')) : store.read(recordKey)),
    }
    const keyStore = await createKeyStore(flaky, {
      secrets: [SECRET],
      interval: 10,
      now,
      onError: (error) => errors.push(error),
    })
    onTestFinished(() => keyStore.close())
    const tokens = createTokens({ issuer, audience: 'api', keys: keyStore.keys, now })
    const token = tokens.issue({ sub: 'ada' })
    isAway = true

    await expect(keyStore.sync()).rejects.toThrow(StoreUnavailableError)
    while (errors.length === 0) await new Promise((resolve) => setTimeout(resolve, 2))
    expect(tokens.verify(token).ok).toBe(true)
    await expect(keyStore.retire(signingKeyOf(keyStore.keys))).rejects.toThrow(StoreUnavailableError)
  })

  it('wants secrets that are long enough', async () => {
    const { open } = createTrial()

    await expect(open({ secrets: [] })).rejects.toThrow(/at least one secret/)
    await expect(open({ secrets: [randomBytes(31)] })).rejects.toThrow(RangeError)
    await expect(open({ secrets: ['x'.repeat(40)] as never })).rejects.toThrow(TypeError)
  })
})
