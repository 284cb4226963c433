import { createServer, request } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { describe, expect, it } from 'vitest'
import { bearerChallenge, type BearerCredentials, hasScope, readBearer } from './bearer.ts'

const node = (...values: string[]) => ({ rawHeaders: values.flatMap((value) => ['authorization', value]) })
const web = (...values: string[]) =>
  new Request('http://shop.example', {
    headers: values.map((value): [string, string] => ['authorization', value]),
  })

describe('readBearer()', () => {
  for (const [name, make] of [
    ['a Node request', node],
    ['a Web request', web],
  ] as const) {
    it.each(['Bearer a.b.c', 'bearer a.b.c', 'BEARER a.b.c', 'Bearer   a.b.c'])(
      `reads ${name} with %j`,
      (value) => {
        expect(readBearer(make(value))).toEqual({ ok: true, token: 'a.b.c' })
      },
    )

    it.each([
      'Bearer',
      'Bearer a b',
      'Bearer a,b',
      'Bearer a.b.c, Bearer d.e.f',
      'Basic dXNlcg==, Bearer a.b.c',
      'Bearer "a.b.c"',
      'Bearer a=b',
      'Bearer token=a.b.c',
      'Bearer a\u00e9',
    ])(`refuses ${name} with %j`, (value) => {
      expect(readBearer(make(value))).toEqual({ ok: false, reason: 'bad-request' })
    })

    it(`finds nothing in ${name} without the scheme`, () => {
      expect(readBearer(make())).toEqual({ ok: false, reason: 'missing' })
      expect(readBearer(make('Basic dXNlcg=='))).toEqual({ ok: false, reason: 'missing' })
      expect(readBearer(make('a.b.c'))).toEqual({ ok: false, reason: 'missing' })
    })

    it(`refuses ${name} with two Authorization headers`, () => {
      expect(readBearer(make('Bearer a.b.c', 'Bearer a.b.c')).ok).toBe(false)
      expect(readBearer(make('Basic dXNlcg==', 'Bearer a.b.c')).ok).toBe(false)
    })
  }

  it('refuses the second header that Node itself hides', async () => {
    let seen: { visible: unknown; answer: BearerCredentials } | undefined
    const server = createServer((req, res) => {
      seen = { visible: req.headers.authorization, answer: readBearer(req) }
      res.end()
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo

    const client = request({ port, host: '127.0.0.1', path: '/?access_token=q.q.q' })
    client.setHeader('Authorization', ['Bearer a.b.c', 'Bearer d.e.f'])
    client.end()
    const [response] = (await once(client, 'response')) as [{ resume(): void }]
    response.resume()
    server.close()

    expect(seen).toEqual({ visible: 'Bearer a.b.c', answer: { ok: false, reason: 'bad-request' } })
  })

  it('never reads the query', () => {
    expect(readBearer(new Request('http://shop.example/?access_token=a.b.c'))).toEqual({
      ok: false,
      reason: 'missing',
    })
  })
})

describe('bearerChallenge()', () => {
  it.each([
    ['missing', 401, 'Bearer realm="shop"'],
    ['bad-request', 400, 'Bearer realm="shop", error="invalid_request"'],
    ['expired', 401, 'Bearer realm="shop", error="invalid_token"'],
    ['revoked', 401, 'Bearer realm="shop", error="invalid_token"'],
    ['insufficient-scope', 403, 'Bearer realm="shop", error="insufficient_scope", scope="cart:write"'],
  ] as const)('answers %s', (reason, status, challenge) => {
    const answer = bearerChallenge(reason, { realm: 'shop', scope: 'cart:write' })

    expect(answer).toEqual({
      status,
      headers: { 'WWW-Authenticate': challenge, 'Cache-Control': 'no-store' },
    })
  })

  it('does not blame the token when nobody can tell', () => {
    expect(bearerChallenge('revocation-unknown')).toMatchObject({
      status: 503,
      headers: { 'Retry-After': '1' },
    })
  })

  it('tells the scheme alone without a realm', () => {
    expect(bearerChallenge('missing').headers['WWW-Authenticate']).toBe('Bearer')
  })

  it.each(['a"b', 'a\\b', 'a\r\nb', 'é'])('refuses the realm %j', (realm) => {
    expect(() => bearerChallenge('missing', { realm })).toThrow(TypeError)
  })
})

describe('hasScope()', () => {
  it('wants whole permissions, and all of them', () => {
    const claims = { scope: 'cart:read cart:write' }

    expect(hasScope(claims, 'cart:read', 'cart:write')).toBe(true)
    expect(hasScope(claims, 'cart')).toBe(false)
    expect(hasScope(claims, 'cart:read', 'admin')).toBe(false)
    expect(hasScope({}, 'cart:read')).toBe(false)
  })
})
