/**
 * Tokens for clients that are no browsers, and for other services: exchanged for a login, refreshed, verified.
 *
 * @module
 */

import { bearerChallenge, type ChallengeReason, readBearer, type TokenPair } from 'coatcheck/tokens'
import { type Request, type Response, Router } from 'express'
import { RequestError } from '../request-error.ts'
import { readField } from '../validation.ts'
import { requireCustomer, type RouteParts } from './visitor.ts'

/** Creates `POST /token`, `POST /token/refresh` and the key set that other services verify with. */
export function createTokenRoutes({
  sessions,
  users,
  tokens,
}: Pick<RouteParts, 'sessions' | 'users' | 'tokens'>): Router {
  const router = Router()
  if (!tokens) return router

  router.post('/token', async (request, response) => {
    const { session, user } = await requireCustomer(request, { sessions, users })
    const sid = await session.tieTokens()
    // It was ended by a parallel request meanwhile.
    if (sid === undefined) throw new RequestError('ERR_NOT_LOGGED_IN')
    const pair = await tokens.login({ sub: user.id, sid })
    // A refresh token of this session was stolen: what it is exchanged for is denied, and the cookie may be stolen too.
    if (!tokens.verify(pair.accessToken).ok) {
      await session.destroy()
      throw new RequestError('ERR_NOT_LOGGED_IN')
    }
    answerPair(response, pair)
  })

  router.post('/token/refresh', async (request, response) => {
    const pair = await tokens.rotate(readField(request.body, 'refreshToken'))
    if (!pair.ok) throw new RequestError('ERR_INVALID_TOKEN')
    answerPair(response, pair)
  })

  router.get('/.well-known/jwks.json', (_request, response) => {
    response.json(tokens.jwks())
  })

  return router
}

/**
 * Answers `GET /me` for a request that carries a bearer token, by looking nothing up but the user's name.
 *
 * @returns Whether it carried one, good or not.
 */
export async function answerBearer(
  request: Request,
  response: Response,
  { users, tokens }: Pick<RouteParts, 'users' | 'tokens'>,
): Promise<boolean> {
  const credentials = readBearer(request)
  if (!tokens || (!credentials.ok && credentials.reason === 'missing')) return false
  const answer = credentials.ok ? tokens.verify(credentials.token) : credentials
  if (!answer.ok) {
    refuse(response, answer.reason)
    return true
  }
  const { sub, sid, iat } = answer.claims
  const user = await users.findById(sub)
  if (!user) {
    refuse(response, 'revoked')
    return true
  }
  const instant = iat * 1_000
  response.json({ user, session: { handle: sid, createdAt: instant, lastSeenAt: instant } })
  return true
}

function answerPair(response: Response, { accessToken, refreshToken, expiresIn }: TokenPair): void {
  response.json({ accessToken, refreshToken, expiresIn, tokenType: 'Bearer' })
}

function refuse(response: Response, reason: ChallengeReason): void {
  const { status, headers } = bearerChallenge(reason)
  const code = status === 503 ? 'ERR_STORE_UNAVAILABLE' : 'ERR_INVALID_TOKEN'
  response.status(status).set(headers).json({ error: { code } })
}
