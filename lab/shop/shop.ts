/**
 * The shop: an Express application that keeps carts and logins with Coatcheck, on whichever strategy it is given.
 *
 * @module
 */

import { fileURLToPath } from 'node:url'
import { expressSessions } from 'coatcheck/http/express'
import express, { type Express } from 'express'
import { answerErrors, answerNotFound, type ErrorLog } from './answers.ts'
import { publicFolder } from './public-folder.ts'
import { createAccountRoutes } from './routes/account-routes.ts'
import { createCartRoutes } from './routes/cart-routes.ts'
import { createLoginRoutes } from './routes/login-routes.ts'
import { createPageRoutes } from './routes/page-routes.ts'
import { createTokenRoutes } from './routes/token-routes.ts'
import { refuseCrossSite, setSecurityHeaders } from './security.ts'
import type { ShopSessions, ShopTokens } from './shop-session.ts'
import type { Users } from './users/users.ts'

export type { ShopSession, ShopSessions, ShopTokens } from './shop-session.ts'

/** What the shop is made of. */
export interface ShopParts {
  readonly sessions: ShopSessions
  readonly users: Users
  /**
   * Tokens that logins are exchanged for.
   *
   * @default the shop issues none
   */
  readonly tokens?: ShopTokens
  /**
   * Called with every error that nobody foresaw.
   *
   * @default writes it to the standard error stream
   */
  readonly log?: ErrorLog
  /**
   * Clock, in milliseconds since the Unix epoch.
   *
   * @default Date.now
   */
  readonly now?: () => number
}

const BODY_LIMIT = '16kb'

/**
 * Creates the shop.
 *
 * A reverse proxy on loopback is believed what it says in `X-Forwarded-*`.
 */
export function createShop(parts: ShopParts): Express {
  const { sessions, users, tokens, log = logToStandardError, now = Date.now } = parts
  const app = express()
  app.set('trust proxy', 'loopback')
  app.disable('x-powered-by')
  // Every answer beyond the static files is made for one request and not kept.
  app.disable('etag')

  app.use(setSecurityHeaders)
  // Before the session middleware: what is the same for everybody must neither set a cookie nor ask the store.
  app.use(
    '/static',
    express.static(fileURLToPath(publicFolder), { fallthrough: false, index: false, maxAge: '1h' }),
  )
  app.use((_request, response, next) => {
    response.set('Cache-Control', 'no-store')
    next()
  })
  app.get('/healthz', (_request, response) => {
    response.json({ status: 'ok' })
  })

  app.use(refuseCrossSite)
  app.use(express.json({ limit: BODY_LIMIT }), express.urlencoded({ extended: false, limit: BODY_LIMIT }))
  app.use(expressSessions(sessions))
  app.use(createPageRoutes({ sessions, users, now }))
  app.use(createLoginRoutes({ sessions, users }))
  app.use(createAccountRoutes({ sessions, users, tokens, now }))
  app.use(createTokenRoutes({ sessions, users, tokens }))
  app.use(createCartRoutes({ sessions }))

  app.use(answerNotFound)
  app.use(answerErrors(log))
  return app
}

function logToStandardError(
  error: unknown,
  request: { readonly method: string; readonly path: string },
): void {
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`${request.method} ${request.path} failed: ${text}\n`)
}
