import { randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import { createTrial, KEY } from '../../../test/support/refresh-trial.ts'
import { createRefreshTokens } from '../refresh.ts'

describe('createRefreshTokens() for what it did not sign', () => {
  it.each([
    ['nothing', undefined],
    ['a number', 7],
    ['an empty text', ''],
    ['two parts', `${'a'.repeat(43)}.1`],
    ['generation 0', `${'a'.repeat(43)}.0.${'a'.repeat(43)}`],
    ['a leading zero', `${'a'.repeat(43)}.01.${'a'.repeat(43)}`],
    ['a negative generation', `${'a'.repeat(43)}.-1.${'a'.repeat(43)}`],
    ['a huge generation', `${'a'.repeat(43)}.12345678901.${'a'.repeat(43)}`],
    ['a line feed at the end', `${'a'.repeat(43)}.1.${'a'.repeat(43)}\n`],
    ['padding', `${'a'.repeat(43)}.1.${'a'.repeat(43)}=`],
  ])('refuses %s as malformed', async (_, token) => {
    const { refresh } = await createTrial()

    expect(await refresh.rotate(token)).toEqual({ ok: false, reason: 'malformed' })
  })

  it('refuses a forged MAC, and one spelled otherwise, without a write', async () => {
    const { refresh, writes } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_'
    const last = alphabet.indexOf(refreshToken.at(-1)!)
    // The two lowest bits of the last character are beyond the 32 bytes: both texts decode to the same bytes.
    const respelled = refreshToken.slice(0, -1) + alphabet[last ^ 1]
    const forged = refreshToken.slice(0, -2) + (refreshToken.at(-2) === 'A' ? 'B' : 'A') + refreshToken.at(-1)

    expect(await refresh.rotate(respelled)).toEqual({ ok: false, reason: 'forged' })
    expect(await refresh.rotate(forged)).toEqual({ ok: false, reason: 'forged' })
    expect(writes.count).toBe(0)
    expect(await refresh.rotate(refreshToken)).toMatchObject({ ok: true })
  })

  it('refuses the generation of one token with the MAC of another', async () => {
    const { refresh } = await createTrial()
    const { refreshToken } = await refresh.start({ sub: 'ada' })
    const [family, , mac] = refreshToken.split('.')

    expect(await refresh.rotate(`${family}.2.${mac}`)).toEqual({ ok: false, reason: 'forged' })
  })
})

describe('createRefreshTokens() when keys rotate', () => {
  const OTHER = randomBytes(32)

  it('gives the same successor on a server that signs with the old key and on one that signs with the new', async () => {
    const trial = await createTrial({ keys: [KEY, OTHER] })
    const newer = createRefreshTokens(trial.store, { ...trial.options, keys: [OTHER, KEY] })
    onTestFinished(() => newer.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    const results = await Promise.all([
      trial.refresh.rotate(refreshToken),
      newer.rotate(refreshToken),
      trial.refresh.rotate(refreshToken),
      newer.rotate(refreshToken),
    ])

    expect(new Set(results.map((result) => result.ok && result.refreshToken)).size).toBe(1)
    expect(results.every(({ ok }) => ok)).toBe(true)
  })

  it('tells a key that it does not have from a forgery', async () => {
    const trial = await createTrial({ keys: [OTHER, KEY] })
    const older = createRefreshTokens(trial.store, { ...trial.options, keys: [KEY] })
    onTestFinished(() => older.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    expect(await older.rotate(refreshToken)).toEqual({ ok: false, reason: 'unknown-key' })
    expect(await trial.refresh.rotate(refreshToken)).toMatchObject({ ok: true })
  })

  it('refuses the tokens of a key that was taken away', async () => {
    const trial = await createTrial({ keys: [OTHER] })
    const after = createRefreshTokens(trial.store, { ...trial.options, keys: [KEY] })
    onTestFinished(() => after.close())
    const { refreshToken } = await trial.refresh.start({ sub: 'ada' })

    expect(await after.rotate(refreshToken)).toMatchObject({ ok: false })
  })

  it('refuses keys that are none, short or missing', async () => {
    const { store, options } = await createTrial()

    expect(() => createRefreshTokens(store, { ...options, keys: [] })).toThrow(/at least one key/)
    expect(() => createRefreshTokens(store, { ...options, keys: [randomBytes(31)] })).toThrow(RangeError)
    expect(() => createRefreshTokens(store, { ...options, keys: ['x'.repeat(43)] as never })).toThrow(
      TypeError,
    )
  })
})
