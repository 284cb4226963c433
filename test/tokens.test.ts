/**
 * Tokens of the shop on a real fleet: made through the balancer, shown to each server by itself, ended everywhere.
 */

import { readFile } from 'node:fs/promises'
import { connect } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { exchangeLogin, showToken } from '../lab/fleet/experiments/bearer-clients.ts'
import { keyRotation } from '../lab/fleet/experiments/key-rotation.ts'
import { refreshRace } from '../lab/fleet/experiments/refresh-race.ts'
import { revocationRace } from '../lab/fleet/experiments/revocation-race.ts'
import type { Fleet } from '../lab/fleet/protocol.ts'
import type { Answer } from '../lab/fleet/traffic/browser.ts'
import { readTokens } from '../lab/fleet/traffic/token-holder.ts'
import { createVisitor, readUsername, type Visitor } from '../lab/fleet/traffic/visitor.ts'
import { lockDatabase } from '../lab/fleet/experiments/meddling/sqlite.ts'
import { type Lab, startLab } from './support/lab.ts'
import { connectFleet } from './support/remote-fleet.ts'

/** How late a server may hear of a revocation, in milliseconds. */
const BOUND = 2_000

const visitors: Visitor[] = []
let names = 0

afterEach(async () => {
  await Promise.all(visitors.splice(0).map((visitor) => visitor.close()))
})

function useLab(...args: readonly string[]) {
  const parts: { lab?: Lab; fleet?: Fleet } = {}
  beforeAll(async () => {
    parts.lab = await startLab(['--servers', '3', ...args])
    parts.fleet = await connectFleet(parts.lab)
  })
  afterAll(async () => {
    await parts.fleet?.close()
    await parts.lab?.stop()
  })
  return parts as { readonly lab: Lab; readonly fleet: Fleet }
}

function open({ shop }: Lab, username = `token-${++names}`): Visitor {
  const visitor = createVisitor(() => shop, { username })
  visitors.push(visitor)
  return visitor
}

async function arrive(lab: Lab): Promise<Visitor> {
  const visitor = open(lab)
  expect(await visitor.register()).toBe(true)
  return visitor
}

/** Shows a token to each server by itself. */
async function showAll(
  { servers }: Lab,
  visitor: Visitor,
  token: string,
): Promise<readonly (Answer | undefined)[]> {
  return Promise.all(servers.map(({ url }) => showToken(visitor, token, url)))
}

const statuses = (answers: readonly (Answer | undefined)[]) => answers.map((answer) => answer?.status)

/** Sends a request head as it is, and resolves to the head of the answer. */
async function exchange(url: string, ...lines: readonly string[]): Promise<string> {
  const { hostname, port, host } = new URL(url)
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  socket.write([lines[0], `Host: ${host}`, ...lines.slice(1), 'Connection: close', '', ''].join('\r\n'))
  let text = ''
  for await (const chunk of socket) text += chunk
  return text.split('\r\n\r\n')[0] ?? ''
}

describe('three servers that exchange logins for tokens', () => {
  const parts = useLab('--strategy', 'token')

  it('know a token on every server, by nothing but itself', async () => {
    const visitor = await arrive(parts.lab)
    const { accessToken } = await exchangeLogin(visitor)

    const answers = await showAll(parts.lab, visitor, accessToken)

    expect(statuses(answers)).toEqual([200, 200, 200])
    expect(answers.map((answer) => readUsername(answer?.body))).toEqual(
      Array.from({ length: 3 }, () => visitor.username),
    )
  })

  it('give no tokens to a stranger', async () => {
    const answer = await open(parts.lab).request('POST', '/token')

    expect(answer).toMatchObject({ status: 401, body: { error: { code: 'ERR_NOT_LOGGED_IN' } } })
  })

  it('refresh through the balancer, and refuse what is no refresh token', async () => {
    const visitor = await arrive(parts.lab)
    const { refreshToken } = await exchangeLogin(visitor)

    const next = await visitor.request('POST', '/token/refresh', { body: { refreshToken }, cookie: '' })
    const accessToken = (next && readTokens(next)?.accessToken) ?? ''
    const forged = await visitor.request('POST', '/token/refresh', {
      body: { refreshToken: `${refreshToken}x` },
    })

    expect(next?.status).toBe(200)
    expect(statuses(await showAll(parts.lab, visitor, accessToken))).toEqual([200, 200, 200])
    expect(forged?.status).toBe(401)
  })

  it.each([
    ['a logout', (owner: Visitor) => owner.request('POST', '/logout')],
    [
      'a logout everywhere from another session',
      async (owner: Visitor) => {
        const other = open(parts.lab, owner.username)
        await other.login()
        return other.request('DELETE', '/sessions')
      },
    ],
  ])('refuse tokens within the bound after %s', async (_, end) => {
    const visitor = await arrive(parts.lab)
    const { accessToken, refreshToken } = await exchangeLogin(visitor)
    const before = await showAll(parts.lab, visitor, accessToken)

    const answer = await end(visitor)
    await delay(BOUND)
    const after = await showAll(parts.lab, visitor, accessToken)
    const refreshed = await visitor.request('POST', '/token/refresh', { body: { refreshToken }, cookie: '' })

    expect(statuses(before)).toEqual([200, 200, 200])
    expect(answer?.status).toBe(204)
    expect(statuses(after)).toEqual([401, 401, 401])
    expect(refreshed?.status).toBe(401)
  })

  it('say what is wanted, and what is wrong, by WWW-Authenticate', async () => {
    const visitor = await arrive(parts.lab)
    const { accessToken } = await exchangeLogin(visitor)
    const authorization = `Authorization: Bearer ${accessToken}`
    const [{ url } = { url: '' }] = parts.lab.servers
    const forged = `${accessToken.slice(0, -4)}AAAA`

    const good = await exchange(url, 'GET /me HTTP/1.1', `Authorization: bEARER ${accessToken}`)
    const bad = await exchange(url, 'GET /me HTTP/1.1', `Authorization: Bearer ${forged}`)
    const two = await exchange(url, 'GET /me HTTP/1.1', authorization, authorization)
    const query = await exchange(url, `GET /me?access_token=${accessToken} HTTP/1.1`)

    expect(good).toMatch(/^HTTP\/1.1 200 /)
    expect(bad).toMatch(/^HTTP\/1.1 401 [^]*www-authenticate: Bearer error="invalid_token"/i)
    expect(two).toMatch(/^HTTP\/1.1 400 [^]*www-authenticate: Bearer error="invalid_request"/i)
    expect(query).toMatch(/^HTTP\/1.1 401 /)
  })

  it('publish their keys, and nothing private', async () => {
    const response = await fetch(`${parts.lab.shop}/.well-known/jwks.json`)
    const { keys } = (await response.json()) as { readonly keys: readonly Record<string, unknown>[] }

    expect(keys.length).toBeGreaterThan(0)
    for (const key of keys) expect(Object.keys(key)).not.toContain('d')
  })

  it('tell nobody their secrets', async () => {
    const { tokensFolder = '' } = await parts.lab.state()

    const secret = await readFile(`${tokensFolder}/secret`)
    const state = JSON.stringify(await parts.lab.state())
    for (const encoding of ['hex', 'base64', 'base64url'] as const) {
      expect(state).not.toContain(secret.toString(encoding).slice(0, 40))
    }
  })

  it('rotate their keys without refusing anybody, and refuse a retired one', async () => {
    const result = await keyRotation.run(parts.fleet, { short: true })

    expect(result).toEqual({ ...result, met: true })
  })

  it('make one step of twenty parallel refreshes, and find thieves', async () => {
    const result = await refreshRace.run(parts.fleet, { short: true })

    expect(result).toEqual({ ...result, met: true })
  })

  it('never answer a token later than the bound after its login was ended', async () => {
    const result = await revocationRace.run(parts.fleet, { rounds: 12 })

    expect(result).toEqual({ ...result, met: true })
  })

  it('keep virtual visitors that show tokens', async () => {
    parts.fleet.setTraffic({ visitors: 6, rate: 60 })
    await expect
      .poll(async () => (await parts.lab.state()).traffic.requests, { timeout: 30_000 })
      .toBeGreaterThan(250)
    const { traffic } = await parts.lab.state()
    parts.fleet.setTraffic({ visitors: 0, rate: 0 })

    expect(traffic).toMatchObject({ lost: 0, crossUser: 0, failed: 0 })
    expect(traffic.loggedIn).toBeGreaterThan(0)
  })

  it('go on while the file of the revocations is locked, until its bound, then answer 503, and recover', async () => {
    const visitor = await arrive(parts.lab)
    const { accessToken, refreshToken } = await exchangeLogin(visitor)
    const { tokensFolder = '' } = await parts.lab.state()

    const unlock = lockDatabase(`${tokensFolder}/tokens.db`)
    const atOnce = await showAll(parts.lab, visitor, accessToken)
    const refreshed = await visitor.request('POST', '/token/refresh', { body: { refreshToken }, cookie: '' })
    await delay(BOUND + 500)
    const stale = await showAll(parts.lab, visitor, accessToken)
    unlock()
    await delay(BOUND)
    const again = await showAll(parts.lab, visitor, accessToken)

    expect(statuses(atOnce)).toEqual([200, 200, 200])
    expect(refreshed).toMatchObject({ status: 503, retryAfter: expect.stringMatching(/^\d+$/) })
    expect(statuses(stale)).toEqual([503, 503, 503])
    expect(statuses(again)).toEqual([200, 200, 200])
  })
})

describe('a server whose clock is a minute ahead, among others', () => {
  const parts = useLab('--strategy', 'token', '--clock-offset', 'B=60000')

  it('issues tokens that all accept, and accepts those of the others', async () => {
    const visitor = await arrive(parts.lab)
    const tokens: string[] = []
    for (const { url } of parts.lab.servers) {
      const answer = await visitor.request('POST', '/token', { origin: url })
      tokens.push((answer && readTokens(answer)?.accessToken) ?? '')
    }

    for (const token of tokens) {
      expect(statuses(await showAll(parts.lab, visitor, token))).toEqual([200, 200, 200])
    }
    expect(await visitor.logout()).toMatchObject({ status: 204 })
    await delay(BOUND)
    for (const token of tokens) {
      expect(statuses(await showAll(parts.lab, visitor, token))).toEqual([401, 401, 401])
    }
  })
})
