/**
 * Clients that hold tokens and no cookies, and ask every server by itself.
 *
 * @module
 */

import type { Fleet } from '../protocol.ts'
import type { Answer, Browser } from '../traffic/browser.ts'
import { type HeldTokens, readTokens } from '../traffic/token-holder.ts'
import type { Visitor } from '../traffic/visitor.ts'

/** How late a server may hear of a revocation, in milliseconds: the bound of its list. */
export const TOKEN_BOUND = 2_000

/** Where refresh tokens are presented. */
export const REFRESH_PATH = '/token/refresh'

/** Folder in which the servers find their tokens. */
export function getTokensFolder(fleet: Fleet): string {
  const { tokensFolder } = fleet.state()
  if (tokensFolder === undefined)
    throw new Error(`Cannot find the folder of the tokens of strategy ${fleet.strategy}`)
  return tokensFolder
}

/** Addresses of all servers that run, past the balancer. */
export function listAddresses(fleet: Fleet): readonly string[] {
  return fleet
    .state()
    .servers.filter(({ status }) => status === 'ready')
    .map(({ url }) => url)
}

/**
 * Exchanges a login for tokens.
 *
 * @throws When the shop refuses: then there is nothing to experiment with.
 */
export async function exchangeLogin(visitor: Visitor): Promise<HeldTokens> {
  const answer = await visitor.request('POST', '/token')
  const tokens = answer?.status === 200 ? readTokens(answer) : undefined
  if (!tokens)
    throw new Error(`Cannot start an experiment: POST /token answered ${answer?.status ?? 'nothing'}`)
  return tokens
}

/** Shows an access token at `GET /me`. */
export function showToken(browser: Browser, bearer: string, origin: string): Promise<Answer | undefined> {
  return browser.request('GET', '/me', { bearer, origin })
}

/** Presents a refresh token. */
export function presentRefreshToken(
  browser: Browser,
  refreshToken: string,
  origin: string,
): Promise<Answer | undefined> {
  return browser.request('POST', REFRESH_PATH, { body: { refreshToken }, cookie: '', origin })
}
