import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { tokenClauses, type TokenTrial } from '../../conformance/token-contract.ts'
import { tokenWith } from '../../conformance/token-clauses/forgery.ts'
import { createKeySet, generateKey, type Jwks, type TokenAlgorithm } from '../index.ts'
import { importKey } from '../keys/import-key.ts'
import { createForeignVerifier, type ForeignVerifier, type ForeignVerifierOptions } from './foreign.ts'

const NOW = Date.UTC(2026, 0, 1)
const SETUP = { issuer: 'https://idp.example', audience: 'https://shop.example/api', now: () => NOW }

/** Rows that are for our own tokens alone: others write their headers as they like, and may name things we never ask for. */
const OUR_OWN: readonly RegExp[] = [
  /^a header in another order$/,
  /^a header with an? (?:space|line break|escape)$/,
  /^typ "(?:AT\+JWT|at\+JWT|application\/at\+jwt)"$/,
  /^a header with \{"(?:cty|iss|nonce)"/,
  /^a good signature beside (?:jwk|jku|x5u|x5c|x5t)$/,
  // One key is all that there is, so a token need not name it.
  /^a kid that is missing$/,
]

function createTrial(alg: TokenAlgorithm, verifier?: ForeignVerifier) {
  const jwk = generateKey(alg, { kid: 'k-1' })
  const { signing } = importKey('test', jwk)
  if (!signing) throw new Error('The trial needs a private key')
  const trial: TokenTrial = {
    ...SETUP,
    now: NOW,
    alg,
    kid: 'k-1',
    key: signing,
    verify: async (token) => (await verifier?.verify(token)) ?? { ok: false },
  }
  return { jwk, trial, jwks: createKeySet([jwk]).jwks() }
}

describe('createForeignVerifier()', () => {
  it.each(['HS256', 'ES256', 'EdDSA', 'RS256'] as const)('holds %s to the table of attacks', async (alg) => {
    const { jwk, jwks, trial } = createTrial(alg)
    const verifier = await createForeignVerifier({ ...SETUP, keys: alg === 'HS256' ? [jwk] : jwks.keys })
    const wrong: string[] = []

    for (const { title, expect: expected, forge } of tokenClauses(alg)) {
      const { ok } = await verifier.verify(forge(trial))
      const isOurOwn = OUR_OWN.some((pattern) => pattern.test(title))
      if (ok !== (isOurOwn || expected === 'accepted')) wrong.push(title)
    }

    expect(wrong).toEqual([])
  })

  it('accepts the types it is told, and no ID token by default', async () => {
    const { jwks, trial } = createTrial('ES256')
    const strict = await createForeignVerifier({ ...SETUP, keys: jwks.keys })
    const lenient = await createForeignVerifier({ ...SETUP, keys: jwks.keys, types: ['JWT'] })
    const token = tokenWith(trial, {}, { typ: 'JWT' })

    expect(await strict.verify(token)).toEqual({ ok: false, reason: 'bad-header' })
    expect((await lenient.verify(token)).ok).toBe(true)
  })

  it.each([
    ['no issuer', { issuer: '' }, TypeError],
    ['HS256 from an address', { jwksUrl: 'https://idp.example/jwks', algorithms: ['HS256'] }, TypeError],
    ['an address without TLS', { jwksUrl: 'http://idp.example/jwks' }, TypeError],
    ['a key set without keys', { keys: [] }, TypeError],
    ['a short secret', { keys: [{ kty: 'oct', k: 'c2hvcnQ', kid: 'k', alg: 'HS256' }] }, RangeError],
  ] as const)('refuses %s', async (_title, options, error) => {
    const created = createForeignVerifier({ ...SETUP, ...options } as ForeignVerifierOptions)

    await expect(created).rejects.toThrow(error)
  })
})

describe('createForeignVerifier() with jwksUrl', () => {
  const ends: (() => void)[] = []
  afterEach(() => {
    for (const end of ends.splice(0)) end()
  })

  async function publish(answer: () => { status: number; body: string }) {
    let requests = 0
    const server = createServer((_req, res) => {
      requests += 1
      const { status, body } = answer()
      res.writeHead(status, { 'content-type': 'application/json' }).end(body)
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    ends.push(() => server.close())
    const { port } = server.address() as AddressInfo
    return { url: `http://127.0.0.1:${port}/jwks.json`, requests: () => requests }
  }

  const remote = (jwksUrl: string) =>
    createForeignVerifier({
      ...SETUP,
      jwksUrl,
      allowInsecureUrl: true,
      fetchCooldown: 1,
      fetchTimeout: 2_000,
    })

  it('fetches keys once, and again for a key it does not know', async () => {
    const first = createTrial('ES256')
    const second = createTrial('EdDSA')
    let published: Jwks = first.jwks
    const { url, requests } = await publish(() => ({ status: 200, body: JSON.stringify(published) }))
    const verifier = await remote(url)

    const answers = [
      await verifier.verify(tokenWith(first.trial)),
      await verifier.verify(tokenWith(first.trial)),
    ]
    const fetchedOnce = requests()
    published = { keys: [...first.jwks.keys, ...second.jwks.keys.map((key) => ({ ...key, kid: 'k-2' }))] }
    const later = await verifier.verify(tokenWith({ ...second.trial, kid: 'k-2' }))

    expect(answers.map(({ ok }) => ok)).toEqual([true, true])
    expect(fetchedOnce).toBe(1)
    expect(later.ok).toBe(true)
    expect(requests()).toBe(2)
  })

  it('never takes a published secret for a key', async () => {
    const { jwk, trial } = createTrial('HS256')
    const { url } = await publish(() => ({ status: 200, body: JSON.stringify({ keys: [jwk] }) }))
    const verifier = await remote(url)

    expect(await verifier.verify(tokenWith(trial))).toEqual({ ok: false, reason: 'bad-header' })
  })

  it.each([
    ['an error', () => ({ status: 500, body: '{}' })],
    ['something else', () => ({ status: 200, body: '<html>' })],
    ['no key set', () => ({ status: 200, body: '[]' })],
  ])('says that it has no keys when the issuer answers %s', async (_title, answer) => {
    const { url } = await publish(answer)
    const verifier = await remote(url)

    expect(await verifier.verify(tokenWith(createTrial('ES256').trial))).toEqual({
      ok: false,
      reason: 'keys-unavailable',
    })
  })

  it('says that it has no keys when nobody answers', async () => {
    const { url } = await publish(() => ({ status: 200, body: '' }))
    for (const end of ends.splice(0)) end()
    const verifier = await remote(url)

    expect(await verifier.verify(tokenWith(createTrial('ES256').trial))).toEqual({
      ok: false,
      reason: 'keys-unavailable',
    })
  })
})
