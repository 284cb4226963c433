/**
 * What does verifying an access token cost, next to the bare signature and to other libraries?
 *
 * It supports the decisions to look the header up instead of reading it, to make HMAC from two one-shot hashes, and to
 * remember verified tokens for key pairs. Everybody verifies the same token with the same key, prepared where the library
 * can: signature, issuer, audience and expiry. "Raw" is what `node:crypto` needs for the signature alone: from the token's
 * text, as everybody must, and from bytes that were decoded before. Figures are CPU time, round by round in turn.
 *
 * Run with `npm run bench -- tokens`; a number of rounds may follow.
 *
 * @module
 */

import {
  createHmac,
  createPublicKey,
  createSecretKey,
  type KeyObject,
  timingSafeEqual,
  verify,
} from 'node:crypto'
import { cpus } from 'node:os'
import { createTokens, generateKey, type TokenAlgorithm, type TokenJwk } from 'coatcheck/tokens'
import { createVerifier } from 'fast-jwt'
import { jwtVerify } from 'jose'
import jsonwebtoken from 'jsonwebtoken'

const ROUNDS = Number(process.argv[2] ?? 9)
const ISSUER = 'https://shop.example'
const AUDIENCE = 'https://shop.example/api'
/** Calls per round, about the same time for each algorithm. */
const CALLS: Readonly<Record<TokenAlgorithm, number>> = {
  HS256: 12_000,
  ES256: 1_500,
  EdDSA: 1_200,
  RS256: 4_000,
}

const RAW = 'node:crypto'
const RAW_BYTES = 'node:crypto, from bytes'

type Contender = () => unknown

console.log('What does verifying an access token cost?')
console.log(
  `node ${process.version}, ${cpus().length} × ${cpus()[0]?.model}, ${ROUNDS} rounds: medians of µs CPU`,
)
for (const alg of Object.keys(CALLS) as TokenAlgorithm[]) await compare(alg)

/** Runs the rounds of an algorithm and prints the result. */
async function compare(alg: TokenAlgorithm): Promise<void> {
  const jwk = generateKey(alg)
  const token = createTokens({ issuer: ISSUER, audience: AUDIENCE, keys: [jwk] }).issue({
    sub: 'u-4711',
    sid: 'kV3cNgHh0zqkTj2b2m1uQw',
    client_id: 'shop',
    scope: 'cart:read cart:write orders:read',
  })
  const contenders = createContenders(alg, jwk, token)
  const costs = new Map<string, number[]>()
  for (let round = 0; round < ROUNDS; round++)
    for (const [name, run] of Object.entries(contenders)) {
      const list = costs.get(name) ?? []
      list.push(await measure(run, CALLS[alg]))
      costs.set(name, list)
    }

  const medians = new Map([...costs].map(([name, list]) => [name, median(list)]))
  const fromText = medians.get(RAW) ?? Number.NaN
  const fromBytes = medians.get(RAW_BYTES) ?? Number.NaN
  console.log(`\n${alg}, token of ${token.length} characters`)
  console.table(
    Object.fromEntries(
      [...medians].map(([name, cost]) => [
        name,
        {
          µs: round(cost),
          'raw ÷ it': round(fromText / cost),
          'raw from bytes ÷ it': round(fromBytes / cost),
        },
      ]),
    ),
  )
}

function createContenders(
  alg: TokenAlgorithm,
  jwk: TokenJwk,
  token: string,
): Readonly<Record<string, Contender>> {
  const expected = { issuer: ISSUER, audience: AUDIENCE }
  const key = toKey(jwk)
  const checkRaw = createRaw(alg, key)
  const input = Buffer.from(token.slice(0, token.lastIndexOf('.')))
  const signature = Buffer.from(token.slice(token.lastIndexOf('.') + 1), 'base64url')
  const uncached = createTokens({ ...expected, keys: [jwk], cacheSize: 0 })
  const cached = createTokens({ ...expected, keys: [jwk], cacheSize: 1_000 })
  // fast-jwt takes keys as text or bytes only.
  const secret = key.type === 'secret' ? key.export() : key.export({ type: 'spki', format: 'pem' })
  const fast = { key: secret, algorithms: [alg], allowedIss: ISSUER, allowedAud: AUDIENCE }
  const fastUncached = createVerifier({ ...fast, cache: false })
  const fastCached = createVerifier({ ...fast, cache: true })
  const contenders: Record<string, Contender> = {
    [RAW]: () => {
      const end = token.lastIndexOf('.')
      return checkRaw(Buffer.from(token.slice(0, end)), Buffer.from(token.slice(end + 1), 'base64url'))
    },
    [RAW_BYTES]: () => checkRaw(input, signature),
    coatcheck: () => uncached.verify(token).ok,
    'coatcheck, remembered': () => cached.verify(token).ok,
    'fast-jwt': () => fastUncached(token) as unknown,
    'fast-jwt, cached': () => fastCached(token) as unknown,
    jose: async () => jwtVerify(token, key, { ...expected, algorithms: [alg] }),
  }
  // jsonwebtoken has no EdDSA.
  if (alg !== 'EdDSA') {
    contenders['jsonwebtoken'] = () => jsonwebtoken.verify(token, key, { ...expected, algorithms: [alg] })
  }
  return contenders
}

function toKey(jwk: TokenJwk): KeyObject {
  return jwk.kty === 'oct'
    ? createSecretKey(Buffer.from(jwk.k ?? '', 'base64url'))
    : createPublicKey({ key: { ...jwk }, format: 'jwk' })
}

function createRaw(alg: TokenAlgorithm, key: KeyObject): (input: Buffer, signature: Buffer) => boolean {
  if (alg === 'HS256') {
    return (input, signature) => timingSafeEqual(createHmac('sha256', key).update(input).digest(), signature)
  }
  if (alg === 'ES256') {
    return (input, signature) => verify('sha256', input, { key, dsaEncoding: 'ieee-p1363' }, signature)
  }
  return (input, signature) => verify(alg === 'EdDSA' ? null : 'sha256', input, key, signature)
}

/** Microseconds of CPU per call. */
async function measure(run: Contender, calls: number): Promise<number> {
  if (!(await run())) throw new Error('Cannot measure as the token was refused')
  const isAsync = run() instanceof Promise
  const before = process.cpuUsage()
  if (isAsync) for (let call = 0; call < calls; call++) await run()
  else for (let call = 0; call < calls; call++) run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / calls
}

function median(list: readonly number[]): number {
  return list.toSorted((a, b) => a - b)[Math.floor(list.length / 2)] ?? Number.NaN
}

function round(value: number): number {
  return Number(value.toFixed(2))
}
