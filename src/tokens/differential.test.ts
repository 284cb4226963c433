import { createPrivateKey, createPublicKey, createSecretKey, type KeyObject } from 'node:crypto'
import { type JWTVerifyOptions, jwtVerify } from 'jose'
import { describe, expect, it } from 'vitest'
import { tokenClauses, type TokenTrial } from '../conformance/token-contract.ts'
import { claimsOf, headerOf, seal, tokenWith } from '../conformance/token-clauses/forgery.ts'
import { createTokens, generateKey, type TokenAlgorithm } from './index.ts'

const NOW = Date.UTC(2026, 0, 1)
const SETUP = { issuer: 'https://shop.example', audience: 'https://shop.example/api' }
const ALGORITHMS = ['HS256', 'ES256', 'EdDSA', 'RS256'] as const
/** Mutated tokens in all. */
const COUNT = process.env['COATCHECK_LONG'] === '1' ? 100_000 : 4_000

/** A generator of numbers that gives the same ones each time (mulberry32), so that a find can be found again. */
function createRandom(seed: number): (limit: number) => number {
  let state = seed
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit
  }
}

type Random = ReturnType<typeof createRandom>

const LETTERS =
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_=+/. \n\u0000\u0141\ud83e\udde5'
const BYTES = '{}[]",:\\0123456789eE+-.truefalsn_ \u00e9\ud800\ufeff'

function pick<Item>(random: Random, list: ArrayLike<Item>): Item {
  return list[random(list.length)] as Item
}

/** Changes text in one place: a character replaced, put in, or taken out, a part doubled or cut off. */
function mutate(random: Random, text: string, letters: string): string {
  const at = random(text.length + 1)
  const other = random(text.length + 1)
  switch (random(5)) {
    case 0:
      return text.slice(0, at) + pick(random, letters) + text.slice(at + 1)
    case 1:
      return text.slice(0, at) + pick(random, letters) + text.slice(at)
    case 2:
      return text.slice(0, at) + text.slice(at + 1)
    case 3:
      return text.slice(0, Math.max(at, other)) + text.slice(Math.min(at, other))
    default:
      return text.slice(0, at)
  }
}

/** Half of the tokens are changed after they were signed, half before, so that claims are reached too. */
function forgeOne(random: Random, trial: TokenTrial): string {
  let header = JSON.stringify(headerOf(trial))
  let payload = JSON.stringify({ ...claimsOf(trial), scope: 'a b', nbf: NOW / 1_000, note: 'é' })
  const times = random(3)
  const kind = random(4)
  if (kind === 0) header = mutate(random, header, BYTES)
  if (kind === 1) for (let time = 0; time <= times; time++) payload = mutate(random, payload, BYTES)
  const token = seal(
    trial,
    Buffer.from(header).toString('base64url'),
    Buffer.from(payload).toString('base64url'),
  )
  if (kind < 2) return token
  if (kind === 2) return mutate(random, token, LETTERS)
  // Segments are mutated and signed as they are.
  const [first = '', second = ''] = token.split('.')
  return random(2) === 0
    ? seal(trial, mutate(random, first, LETTERS), second)
    : seal(trial, first, mutate(random, second, LETTERS))
}

function createTrial(alg: TokenAlgorithm) {
  const jwk = generateKey(alg, { kid: 'k-1' })
  const key: KeyObject =
    jwk.kty === 'oct' ? createSecretKey(Buffer.from(jwk.k ?? '', 'base64url')) : toPrivate(jwk)
  const tokens = createTokens({ ...SETUP, keys: [jwk], now: () => NOW })
  const trial: TokenTrial = { ...SETUP, kid: 'k-1', alg, key, now: NOW, verify: tokens.verify }
  return { trial, verificationKey: alg === 'HS256' ? key : createPublicKey(key) }
}

function toPrivate(jwk: object): KeyObject {
  return createPrivateKey({ key: { ...jwk }, format: 'jwk' })
}

/** `jose` as strict as its options go. */
async function isAcceptedByJose(token: unknown, key: KeyObject, alg: TokenAlgorithm): Promise<boolean> {
  const options: JWTVerifyOptions = {
    ...SETUP,
    algorithms: [alg],
    typ: 'at+jwt',
    currentDate: new Date(NOW),
    clockTolerance: 0,
    requiredClaims: ['iss', 'aud', 'sub', 'exp', 'iat'],
  }
  try {
    await jwtVerify(token as string, key, options)
    return true
  } catch {
    return false
  }
}

describe('verify() beside jose', () => {
  it.each(ALGORITHMS)(
    `accepts none of ${COUNT / 4} mutated tokens with %s that jose refuses`,
    async (alg) => {
      const { trial, verificationKey } = createTrial(alg)
      const random = createRandom(ALGORITHMS.indexOf(alg) + 1)
      const found: string[] = []
      let accepted = 0

      for (let count = 0; count < COUNT / 4; count++) {
        const token = forgeOne(random, trial)
        const answer = await trial.verify(token)
        if (answer.ok) accepted += 1
        if (answer.ok && !(await isAcceptedByJose(token, verificationKey, alg))) found.push(token)
      }

      expect(found).toEqual([])
      // Were nothing accepted, nothing would have been compared.
      expect(accepted).toBeGreaterThan(COUNT / 400)
    },
    600_000,
  )

  it.each(ALGORITHMS)('accepts none of the table of attacks with %s that jose refuses', async (alg) => {
    const { trial, verificationKey } = createTrial(alg)
    const found: string[] = []

    for (const { title, forge } of tokenClauses(alg)) {
      const token = forge(trial)
      const { ok } = await trial.verify(token)
      if (ok && !(await isAcceptedByJose(token, verificationKey, alg))) found.push(title)
    }

    expect(found).toEqual([])
    expect(await isAcceptedByJose(tokenWith(trial), verificationKey, alg)).toBe(true)
  })
})
