/**
 * Registering, logging in, logging out.
 *
 * @module
 */

import type { Session } from 'coatcheck'
import { type Request, type Response, Router } from 'express'
import { answerChange, prefersHtml } from '../answers.ts'
import { renderCredentialsPage } from '../pages/credentials-page.ts'
import { RequestError } from '../request-error.ts'
import type { NoticeCode, ShopSession } from '../shop-session.ts'
import type { User } from '../users/users.ts'
import { readCredentials, readField, readFlag, readNewCredentials } from '../validation.ts'
import { formContext } from './page-routes.ts'
import { type RouteParts, tellNext } from './visitor.ts'

/**
 * Creates `POST /register`, `POST /login` and `POST /logout`.
 *
 * The session is loaded first: with the store away, nobody gets an account but no login, and no password is checked.
 */
export function createLoginRoutes({ sessions, users }: Omit<RouteParts, 'now'>): Router {
  const router = Router()

  router.post('/register', (request, response) =>
    answerForm(request, response, '/register', async () => {
      const credentials = readNewCredentials(request.body)
      const session = await sessions.load(request)
      const result = await users.register(credentials)
      if (result.outcome === 'taken') throw new RequestError('ERR_USERNAME_TAKEN')
      await logIn(session, result.user, 'registered', request, response)
    }),
  )

  router.post('/login', (request, response) =>
    answerForm(request, response, '/login', async () => {
      const credentials = readCredentials(request.body)
      const session = await sessions.load(request)
      const result = await users.authenticate(credentials, request.ip ?? '')
      if (result.outcome === 'rejected') throw new RequestError('ERR_WRONG_CREDENTIALS')
      if (result.outcome === 'limited') {
        const seconds = Math.ceil(result.retryAfter / 1_000)
        throw new RequestError('ERR_TOO_MANY_TRIES', { 'Retry-After': String(seconds) })
      }
      await logIn(session, result.user, 'logged-in', request, response)
    }),
  )

  router.post('/logout', async (request, response) => {
    const session = await sessions.load(request)
    await session.destroy()
    answerChange(request, response, '/')
  })

  return router
}

async function logIn(
  session: Session<ShopSession>,
  user: User,
  notice: NoticeCode,
  request: Request,
  response: Response,
): Promise<void> {
  await session.login(user.id, { remember: readFlag(request.body, 'remember') })
  if (prefersHtml(request)) await tellNext(session, notice)
  answerChange(request, response, '/', { user })
}

/** Shows a browser its form again, with what was wrong. */
async function answerForm(
  request: Request,
  response: Response,
  path: '/register' | '/login',
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!(error instanceof RequestError) || !prefersHtml(request)) throw error
    const username = readField(request.body, 'username')
    const page = renderCredentialsPage(formContext(request, path), {
      error: error.code,
      username: typeof username === 'string' ? username.slice(0, 64) : '',
    })
    response.status(error.status).set(error.headers).type('html').send(page)
  }
}
