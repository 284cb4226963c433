/**
 * What a user sees of their login: who they are, and where they are logged in.
 *
 * @module
 */

import { type Request, type Response, Router } from 'express'
import { answerChange, prefersHtml } from '../answers.ts'
import { renderAccountPage, type SessionList } from '../pages/account-page.ts'
import { readPreferences } from '../preferences.ts'
import { RequestError } from '../request-error.ts'
import { answerBearer } from './token-routes.ts'
import { type Customer, findUser, requireCustomer, type RouteParts, tellNext } from './visitor.ts'

/** Creates `GET /me`, `GET /account`, and the list and the revocation of a user's sessions. */
export function createAccountRoutes({ sessions, users, tokens, now }: RouteParts): Router {
  const router = Router()

  router.get('/me', async (request, response) => {
    if (await answerBearer(request, response, { users, tokens })) return
    const { session, user } = await requireCustomer(request, { sessions, users })
    const { handle, createdAt, lastSeenAt } = session
    response.json({ user, session: { handle, createdAt, lastSeenAt } })
  })

  router.get('/account', async (request, response) => {
    const session = await sessions.load(request)
    const user = await findUser(session, users)
    if (!user) {
      response.redirect(303, '/login')
      return
    }
    const notice = await session.take('notice')
    const context = { preferences: readPreferences(request), user, path: '/account', notice } as const
    const list = await listSessions({ session, user })
    response.type('html').send(renderAccountPage(context, list, now()))
  })

  router.get('/sessions', async (request, response) => {
    const customer = await requireCustomer(request, { sessions, users })
    response.json(await listSessions(customer))
  })

  router.delete('/sessions', revokeOthers)
  router.delete('/sessions/:handle', revokeOne)
  // Forms can neither delete nor name what they delete in a path, so each button has an address of its own.
  router.post('/sessions/revoke-others', revokeOthers)
  router.post('/sessions/:handle/revoke', revokeOne)

  return router

  /** Where the store cannot find the others, there is this one, and the list says that it is not complete. */
  async function listSessions({ session, user }: Customer): Promise<SessionList> {
    const own = sessions.of(user.id)
    const list = own.list ? await own.list() : session.info ? [session.info] : []
    return {
      sessions: list.map((info) => ({ ...info, current: info.handle === session.handle })),
      complete: own.list !== undefined,
    }
  }

  async function revokeOthers(request: Request, response: Response): Promise<void> {
    const { session, user } = await requireCustomer(request, { sessions, users })
    await sessions.of(user.id).revoke({ except: session })
    if (prefersHtml(request)) await tellNext(session, 'others-revoked')
    answerChange(request, response, '/account')
  }

  async function revokeOne(request: Request<{ handle: string }>, response: Response): Promise<void> {
    const { session, user } = await requireCustomer(request, { sessions, users })
    const { handle } = request.params
    if (handle === session.handle) {
      // Its own session: a logout, which clears the cookie too.
      await session.destroy()
      answerChange(request, response, '/')
      return
    }
    // Somebody else's handle looks like one that never was.
    if ((await sessions.of(user.id).revoke(handle)) === 0) throw new RequestError('ERR_SESSION_NOT_FOUND')
    if (prefersHtml(request)) await tellNext(session, 'session-revoked')
    answerChange(request, response, '/account')
  }
}
