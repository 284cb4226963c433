/**
 * Pages for visitors: the shop window, the forms, and their language and colours.
 *
 * @module
 */

import { type Session, StoreUnavailableError } from 'coatcheck'
import { type Request, Router } from 'express'
import { prefersHtml } from '../answers.ts'
import { renderCredentialsPage } from '../pages/credentials-page.ts'
import { renderHomePage } from '../pages/home-page.ts'
import type { PageContext } from '../pages/page.ts'
import { readPreferences, savePreferences } from '../preferences.ts'
import type { ShopSession } from '../shop-session.ts'
import { UsersUnavailableError } from '../users/database.ts'
import type { User } from '../users/users.ts'
import { readField } from '../validation.ts'
import { findUser, type RouteParts } from './visitor.ts'

const FORM_PATHS = ['/login', '/register'] as const

/** Creates `GET /`, `GET /login`, `GET /register` and `POST /preferences`. */
export function createPageRoutes({ sessions, users, now }: RouteParts): Router {
  const router = Router()

  router.get('/', async (request, response) => {
    // A monitor's HEAD is no visit.
    if (request.method === 'HEAD') {
      response.type('html').end()
      return
    }
    const session = await sessions.load(request, { outage: 'anonymous' })
    const visit = await welcome(session)
    const context: PageContext = {
      preferences: readPreferences(request),
      path: '/',
      user: visit.user,
      notice: visit.notice,
    }
    response.type('html').send(
      renderHomePage(context, {
        cart: session.get('cart') ?? [],
        handle: session.handle,
        outage: visit.outage,
      }),
    )
  })

  for (const path of FORM_PATHS) {
    router.get(path, (request, response) => {
      response.type('html').send(renderCredentialsPage(formContext(request, path)))
    })
  }

  router.post('/preferences', (request, response) => {
    savePreferences(request, response, request.body)
    if (prefersHtml(request)) response.redirect(303, readBackPath(request.body))
    else response.json(readPreferences(request))
  })

  return router

  /** Begins the session at the first visit. The page goes on when the store or the users' database is away. */
  async function welcome(session: Session<ShopSession>): Promise<Visit> {
    if (session.unavailable) return { user: undefined, notice: undefined, outage: true }
    try {
      if (session.isNew && !session.superseded) await session.update('firstSeenAt', (at) => at ?? now())
      const user = await findUser(session, users)
      return { user, notice: await session.take('notice'), outage: false }
    } catch (error) {
      if (!(error instanceof StoreUnavailableError) && !(error instanceof UsersUnavailableError)) throw error
      return { user: undefined, notice: undefined, outage: true }
    }
  }
}

interface Visit {
  readonly user: User | undefined
  readonly notice: ShopSession['notice'] | undefined
  readonly outage: boolean
}

/** What a form knows of its visitor: nothing that the store would have to be asked for. */
export function formContext(request: Request, path: (typeof FORM_PATHS)[number]): PageContext {
  return { preferences: readPreferences(request), user: undefined, path, notice: undefined }
}

/** Only pages of the shop, so that nobody can have a person sent elsewhere. */
function readBackPath(body: unknown): string {
  const back = readField(body, 'back')
  return back === '/login' || back === '/register' || back === '/account' ? back : '/'
}
